/* The prompts: what a user can start with one click. */
#ifndef SYSMOND_PROMPTS_H
#define SYSMOND_PROMPTS_H

#include "sysmond.h"

/* Registers all prompts. Returns EMCP_OK or the first error. */
int32_t prompts_add(struct sysmond *sysmond);

#endif
