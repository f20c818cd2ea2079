/* servers.c - the server list as the ZooKeeper client needs it.
 *
 * Two things ask for more than the user's list. After a lost connection the client steps over every
 * second address: of an even number it tries only half, of two only the one that is dead; so their
 * number is made odd. And it leaves a server only for a list without it: it knows that server by
 * address, the list has names, so they are resolved here.
 *
 * Parity may be wrong again when names come to stand for more or fewer addresses. */
#include "keeper/real.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct address {
    bool is_here;
    char text[NI_MAXHOST
              + NI_MAXSERV]; /* "127.0.0.1:2181", "::1:2181": the client wants no brackets */
};

struct addresses {
    struct address *items;
    size_t count;
};

static bool is_same_address(const struct sockaddr *left, const struct sockaddr_storage *right)
{
    if (left->sa_family != right->ss_family)
        return false;
    if (left->sa_family == AF_INET) {
        const struct sockaddr_in *a = (const struct sockaddr_in *)left;
        const struct sockaddr_in *b = (const struct sockaddr_in *)right;
        return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)left;
    const struct sockaddr_in6 *b = (const struct sockaddr_in6 *)right;
    return a->sin6_port == b->sin6_port
           && memcmp(&a->sin6_addr, &b->sin6_addr, sizeof a->sin6_addr) == 0;
}

static bool addresses_add(struct addresses *addresses, const struct addrinfo *info, bool is_here)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    struct address *grown = realloc(addresses->items, (addresses->count + 1) * sizeof *grown);

    if (!grown)
        return false;
    addresses->items = grown;
    if (getnameinfo(info->ai_addr, info->ai_addrlen, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV)
        != 0)
        return false;
    struct address *address = &grown[addresses->count++];
    address->is_here = is_here;
    snprintf(address->text, sizeof address->text, "%s:%s", host, port);
    return true;
}

/* A name that does not resolve is passed over, as the client does. False: no memory. */
static bool addresses_resolve(struct addresses *addresses, char *entry,
                              const struct sockaddr_storage *here)
{
    const struct addrinfo hints = { .ai_flags = AI_ADDRCONFIG, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found;
    char *colon = strrchr(entry, ':');
    bool ok = true;

    if (!colon)
        return true;
    *colon = '\0';
    if (getaddrinfo(entry + strspn(entry, " \t"), colon + 1, &hints, &found) != 0)
        return true;
    for (const struct addrinfo *info = found; ok && info; info = info->ai_next)
        ok = addresses_add(addresses, info, here && is_same_address(info->ai_addr, here));
    freeaddrinfo(found);
    return ok;
}

static bool addresses_resolve_all(struct addresses *addresses, const char *servers,
                                  const struct sockaddr_storage *here)
{
    char *list = strdup(servers), *rest = NULL;
    bool ok = list != NULL;

    for (char *entry = ok ? strtok_r(list, ",", &rest) : NULL; ok && entry;
         entry = strtok_r(NULL, ",", &rest))
        ok = addresses_resolve(addresses, entry, here);
    free(list);
    return ok;
}

/* As many as are wanted, the same again and again. NULL: all are here, or no memory. */
static char *addresses_write_others(const struct addresses *addresses, size_t wanted)
{
    size_t others = 0;

    for (size_t i = 0; i < addresses->count; i++)
        others += !addresses->items[i].is_here;
    char *text = others > 0 ? calloc(wanted, sizeof(struct address)) : NULL;
    char *end = text;
    for (size_t i = 0; text && wanted > 0; i = (i + 1) % addresses->count) {
        if (addresses->items[i].is_here)
            continue;
        if (end != text)
            *end++ = ',';
        end = stpcpy(end, addresses->items[i].text);
        wanted--;
    }
    return text;
}

char *keeper_servers(const char *servers)
{
    struct addresses addresses = { 0 };
    char *text = NULL;

    if (!addresses_resolve_all(&addresses, servers, NULL))
        text = NULL;
    else if (addresses.count == 0 || addresses.count % 2 == 1)
        text = strdup(servers);
    else if (asprintf(&text, "%s,%s", servers, addresses.items[0].text) < 0)
        text = NULL;
    free(addresses.items);
    return text;
}

char *keeper_other_servers(const char *servers, const struct sockaddr_storage *here)
{
    struct addresses addresses = { 0 };
    char *text = NULL;

    if (addresses_resolve_all(&addresses, servers, here))
        text = addresses_write_others(&addresses, (addresses.count | 1) + 2);
    free(addresses.items);
    return text;
}
