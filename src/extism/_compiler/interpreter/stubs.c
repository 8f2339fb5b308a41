/*
 * Functions that wasi-libc declares and does not define, and that CPython's socket module refers to.
 *
 * A plug-in has no sockets and no resolver: each lookup fails as an unknown name does. The signatures
 * are those of <netdb.h>, which is included so that the compiler compares them; a call through a
 * wrong type would trap.
 */
#include <netdb.h>
#include <stddef.h>

int *__h_errno_location(void)
{
    static int value;
    return &value;
}

static void *not_found(void)
{
    *__h_errno_location() = HOST_NOT_FOUND;
    return NULL;
}

struct hostent *gethostbyname(const char *name)
{
    (void)name;
    return not_found();
}

struct hostent *gethostbyaddr(const void *address, socklen_t length, int family)
{
    (void)address;
    (void)length;
    (void)family;
    return not_found();
}

struct servent *getservbyname(const char *name, const char *protocol)
{
    (void)name;
    (void)protocol;
    return NULL;
}

struct servent *getservbyport(int port, const char *protocol)
{
    (void)port;
    (void)protocol;
    return NULL;
}

struct protoent *getprotobyname(const char *name)
{
    (void)name;
    return NULL;
}

const char *hstrerror(int error)
{
    (void)error;
    return "a plug-in has no sockets; use extism.Http for requests that the host allows";
}
