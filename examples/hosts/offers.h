/* What the demo offers beside the tools of demo.h: a resource and a template, a prompt, a tool that
 * asks its user, and one that may go on as a task. */
#ifndef OFFERS_H
#define OFFERS_H

#include "emcp.h"

/* Adds all of it: the resource demo://manual, the template demo://line/{number}, the prompt explain,
 * and the tools confirm, inspect and touch. Ends the program when something fails. */
void offers_add(emcp_server *server);

#endif
