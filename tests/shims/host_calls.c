/* Notes the calls that may reach the host's network, for `host_calls.py` where there is no strace.

   Loaded by LD_PRELOAD; a line "NAME PORT" goes to the file that HOST_CALLS names, for each call with an
   internet address on a socket that is not of this machine alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void note(const char *name, int fd, const struct sockaddr *address, socklen_t length)
{
    const char *path = getenv("HOST_CALLS");
    int family = AF_UNSPEC, port = 0, saved = errno, file;
    socklen_t size = sizeof family;
    char line[64];

    if (!path || !address || length < sizeof address->sa_family)
        return;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family != AF_UNIX && family != AF_NETLINK
        && address->sa_family != AF_UNIX && address->sa_family != AF_NETLINK && address->sa_family != AF_UNSPEC) {
        if (length >= sizeof(struct sockaddr_in)) /* the port of AF_INET6 stands at the same place */
            port = ntohs(((const struct sockaddr_in *)address)->sin_port);
        file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (file >= 0) {
            int count = snprintf(line, sizeof line, "%s %d\n", name, port);
            if (write(file, line, count) != count)
                abort();
            close(file);
        }
    }
    errno = saved;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    note("connect", fd, address, length);
    return REAL(connect)(fd, address, length);
}

ssize_t sendto(int fd, const void *data, size_t count, int flags, const struct sockaddr *address, socklen_t length)
{
    note("sendto", fd, address, length);
    return REAL(sendto)(fd, data, count, flags, address, length);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    note("sendmsg", fd, message->msg_name, message->msg_namelen);
    return REAL(sendmsg)(fd, message, flags);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
    for (unsigned int number = 0; number < count; number++)
        note("sendmmsg", fd, messages[number].msg_hdr.msg_name, messages[number].msg_hdr.msg_namelen);
    return REAL(sendmmsg)(fd, messages, count, flags);
}
