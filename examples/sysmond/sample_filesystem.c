/* Space on mounted filesystems: /proc/self/mounts and statvfs. */
#define _GNU_SOURCE
#include "sample.h"
#include "text.h"

#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* A dead server makes statvfs wait for ever, and with it the sampler: network filesystems are
 * left out unless one is the root. autofs would be mounted by the look at it; squashfs is always
 * full. */
static bool is_skipped(const struct mntent *mount)
{
    static const char *const types[] = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "9p", "afs",
                                        "glusterfs", "autofs", "squashfs", "iso9660"};
    if (strcmp(mount->mnt_dir, "/") == 0)
        return false;
    if (strncmp(mount->mnt_type, "fuse", 4) == 0)
        return true;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(mount->mnt_type, types[i]) == 0)
            return true;
    return false;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0.0;
}

static bool measure(const struct mntent *mount, struct filesystem *out)
{
    struct statvfs fs;
    if (statvfs(mount->mnt_dir, &fs) != 0 || fs.f_blocks == 0) /* No blocks: proc, sysfs, cgroup. */
        return false;
    copy_name(out->path, sizeof out->path, mount->mnt_dir, strlen(mount->mnt_dir));
    copy_name(out->device, sizeof out->device, mount->mnt_fsname, strlen(mount->mnt_fsname));
    copy_name(out->type, sizeof out->type, mount->mnt_type, strlen(mount->mnt_type));
    uint64_t used_blocks = fs.f_blocks > fs.f_bfree ? fs.f_blocks - fs.f_bfree : 0;
    out->total = (uint64_t)fs.f_blocks * fs.f_frsize;
    out->used = used_blocks * fs.f_frsize;
    out->available = (uint64_t)fs.f_bavail * fs.f_frsize;
    /* As df does: of what users may fill, so that 100 % means full even with reserved blocks. */
    out->used_percent = share(out->used, out->used + out->available);
    out->inodes_used_percent =
        share(fs.f_files > fs.f_ffree ? fs.f_files - fs.f_ffree : 0, fs.f_files);
    out->read_only = (fs.f_flag & ST_RDONLY) != 0;
    return true;
}

static bool seen(const dev_t *devices, size_t len, dev_t device)
{
    for (size_t i = 0; i < len; i++)
        if (devices[i] == device)
            return true;
    return false;
}

void sample_filesystems(struct filesystem_source *source, struct batch *batch)
{
    source->len = 0;
    FILE *file = setmntent("/proc/self/mounts", "re");
    if (!file)
        return;
    dev_t devices[FILESYSTEMS_MAX];
    struct mntent mount;
    char strings[4096];
    while (source->len < FILESYSTEMS_MAX && getmntent_r(file, &mount, strings, sizeof strings)) {
        struct stat st;
        /* Containers bind single files such as /etc/hosts; a device mounted twice counts once. */
        if (is_skipped(&mount) || stat(mount.mnt_dir, &st) != 0 || !S_ISDIR(st.st_mode) ||
            seen(devices, source->len, st.st_dev))
            continue;
        struct filesystem *fs = &source->rows[source->len];
        if (!measure(&mount, fs))
            continue;
        devices[source->len++] = st.st_dev;
        batch_add(batch, fs->used_percent, "%", "Share of this filesystem's space in use.",
                  "fs.%s.used_percent", fs->path);
        batch_add(batch, (double)fs->available / 1048576, "MiB",
                  "Space that users can still fill on this filesystem.", "fs.%s.available",
                  fs->path);
    }
    endmntent(file);
}
