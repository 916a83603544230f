/* The chart is one HTML file without anything to load; the Makefile turns ui/metric_chart.html into
 * the bytes of metric_chart.inc. */
#include "chart.h"

static const unsigned char html[] = {
#include "metric_chart.inc"
};

static int32_t read_chart(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, (const char *)html, sizeof html);
}

int32_t chart_add(struct sysmond *sysmond)
{
    emcp_resource resource;
    EMCP_INIT(&resource);
    resource.uri = CHART_URI;
    resource.name = "metric-chart";
    resource.title = "Chart of a metric";
    resource.description = "Draws the result of query_metrics. For hosts that show MCP Apps.";
    resource.mime = "text/html;profile=mcp-app";
    resource.bytes = sizeof html;
    /* Empty lists: the host's sandbox lets the page reach nobody. */
    resource.meta = "{\"ui\":{\"csp\":{\"connectDomains\":[],\"resourceDomains\":[],"
                    "\"frameDomains\":[],\"baseUriDomains\":[]},\"prefersBorder\":true}}";
    resource.read = read_chart;
    return emcp_resource_add(sysmond->emcp, &resource);
}
