#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const unsigned char empty_file[1];

static bool map_descriptor(int fd, const char *path, struct blob *out, struct error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return error_set_errno(err, errno, "%s", path);
    if (!S_ISREG(info.st_mode))
        return error_set(err, ERR_IO, "%s is not a regular file", path);
    if (info.st_size == 0) {
        *out = (struct blob){.bytes = empty_file, .size = 0};
        return true;
    }
    void *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return error_set_errno(err, errno, "%s: mapping %lld bytes", path, (long long)info.st_size);
    *out = (struct blob){.bytes = map, .size = (size_t)info.st_size};
    return true;
}

bool file_map(const char *path, struct blob *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_set_errno(err, errno, "%s", path);
    bool mapped = map_descriptor(fd, path, out, err);
    close(fd);
    return mapped;
}

void file_unmap(struct blob *blob)
{
    if (blob->bytes && blob->bytes != empty_file)
        munmap((void *)(uintptr_t)blob->bytes, blob->size);
    *blob = (struct blob){0};
}

void blob_drop_pages(struct blob blob)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)blob.bytes + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)blob.bytes + blob.size) / page * page;
    if (blob.bytes && begin < end)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}
