/* Traffic of network interfaces: /proc/net/dev, details from /sys/class/net. */
#define _GNU_SOURCE
#include "sample.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads one word of an interface's directory in sysfs; "" when it is missing. */
static void read_word(const char *interface, const char *name, char *out, size_t cap)
{
    char path[160];
    out[0] = '\0';
    snprintf(path, sizeof path, "/sys/class/net/%s/%s", interface, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (fgets(out, (int)cap, file))
        out[strcspn(out, "\n")] = '\0';
    else
        out[0] = '\0'; /* Reading `speed` of an interface that is down fails. */
    fclose(file);
}

static int64_t read_number(const char *interface, const char *name)
{
    char word[32];
    read_word(interface, name, word, sizeof word);
    return word[0] >= '0' && word[0] <= '9' ? strtoll(word, NULL, 10) : -1;
}

static bool parse_line(char *line, struct network_interface *out)
{
    char *colon = strrchr(line, ':'); /* Old alias interfaces have one in the name. */
    if (!colon)
        return false;
    unsigned long long v[12];
    /* rx: bytes packets errs drop fifo frame compressed multicast; tx: bytes packets errs drop */
    if (sscanf(colon + 1, "%llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0],
               &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7], &v[8], &v[9], &v[10], &v[11]) != 12)
        return false;
    const char *name = line + strspn(line, " ");
    copy_name(out->name, sizeof out->name, name, (size_t)(colon - name));
    out->rx_bytes = v[0];
    out->rx_packets = v[1];
    out->tx_bytes = v[8];
    out->tx_packets = v[9];
    out->errors = v[2] + v[10];
    out->drops = v[3] + v[11];
    return true;
}

static const struct network_interface *find(const struct network_source *source, const char *name)
{
    for (size_t i = 0; i < source->len; i++)
        if (strcmp(source->rows[i].name, name) == 0)
            return &source->rows[i];
    return NULL;
}

static void add_interface(struct batch *batch, struct network_interface *now,
                          const struct network_interface *before, double seconds)
{
    now->rx_rate = rate(now->rx_bytes, before->rx_bytes, seconds);
    now->tx_rate = rate(now->tx_bytes, before->tx_bytes, seconds);
    batch_add(batch, now->rx_rate, "B/s", "Bytes received by this interface.", "net.%s.rx_bytes",
              now->name);
    batch_add(batch, now->tx_rate, "B/s", "Bytes sent by this interface.", "net.%s.tx_bytes",
              now->name);
    batch_add(batch, rate(now->rx_packets, before->rx_packets, seconds), "packets/s",
              "Packets received by this interface.", "net.%s.rx_packets", now->name);
    batch_add(batch, rate(now->tx_packets, before->tx_packets, seconds), "packets/s",
              "Packets sent by this interface.", "net.%s.tx_packets", now->name);
    batch_add(batch, rate(now->errors, before->errors, seconds), "errors/s",
              "Receive and send errors of this interface.", "net.%s.errors", now->name);
    batch_add(batch, rate(now->drops, before->drops, seconds), "packets/s",
              "Packets this interface dropped.", "net.%s.drops", now->name);
}

void sample_network(struct network_source *source, struct batch *batch, double seconds)
{
    FILE *file = fopen("/proc/net/dev", "re");
    if (!file)
        return;
    struct network_source now = {0};
    char line[512];
    while (now.len < INTERFACES_MAX && fgets(line, sizeof line, file)) {
        struct network_interface *interface = &now.rows[now.len];
        if (!parse_line(line, interface))
            continue;
        read_word(interface->name, "operstate", interface->state, sizeof interface->state);
        interface->mtu = read_number(interface->name, "mtu");
        interface->speed_mbit = read_number(interface->name, "speed");
        interface->rx_rate = interface->tx_rate = (double)NAN;
        const struct network_interface *before = find(source, interface->name);
        if (before)
            add_interface(batch, interface, before, seconds);
        now.len++;
    }
    fclose(file);
    *source = now;
}
