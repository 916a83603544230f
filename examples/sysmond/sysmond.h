/* The parts of the daemon, as tools and pages see them. All of them may be used by any thread. */
#ifndef SYSMOND_H
#define SYSMOND_H

#include "alerts.h"
#include "ring.h"
#include "sampler.h"

#include <emcp.h>

struct watchers;

struct sysmond {
    struct ring *ring;
    struct alerts *alerts;
    struct sampler *sampler;
    struct watchers *watchers;
    emcp_server *emcp;
};

#endif
