/* A library to preload: a machine whose file system has no locks or no symbolic links (REFUSE=flock,
 * symlink). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int flock(int fd, int operation);

static int refused(const char *function)
{
    const char *refuse = getenv("REFUSE");
    return refuse && strcmp(refuse, function) == 0;
}

int flock(int fd, int operation)
{
    (void)fd;
    (void)operation;
    errno = ENOSYS;
    return refused("flock") ? -1 : 0;
}

int symlink(const char *target, const char *path)
{
    errno = EPERM;
    return refused("symlink") ? -1 : symlinkat(target, -100 /* AT_FDCWD */, path);
}
