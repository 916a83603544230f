/* The parts of the daemon, as tools, resources, prompts and pages see them. All of them may be used
 * by any thread. */
#ifndef SYSMOND_H
#define SYSMOND_H

#include "alerts.h"
#include "journal.h"
#include "ring.h"
#include "sampler.h"

#include <emcp.h>

struct listen_address;
struct options;
struct watchers;

struct sysmond {
    const struct options *options;
    const struct listen_address *address;
    struct journal *journal;
    struct ring *ring;
    struct alerts *alerts;
    struct sampler *sampler;
    struct watchers *watchers;
    emcp_server *emcp;
};

#endif
