/* The chart that hosts of MCP Apps show with the result of query_metrics. */
#ifndef SYSMOND_CHART_H
#define SYSMOND_CHART_H

#include "sysmond.h"

#define CHART_URI "ui://sysmond/metric-chart"

int32_t chart_add(struct sysmond *sysmond);

#endif
