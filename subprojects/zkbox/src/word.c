/* word.c - see word.h. */
#include "word.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

static void free_text(char **text)
{
    free(*text);
}

int word_ask(int port, const char *word, int64_t deadline_ns, char **out_text)
{
    struct sockaddr_in server = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    __attribute__((cleanup(net_close))) int fd = net_connect(&server, deadline_ns);
    if (fd < 0)
        return fd;
    int rc = net_send(fd, word, strlen(word), deadline_ns);
    if (rc < 0)
        return rc;

    __attribute__((cleanup(free_text))) char *text = NULL;
    size_t size = 0;
    size_t room = 0;
    for (;;) {
        if (size + 1 >= room) {
            room = room ? room * 2 : 1024;
            char *larger = realloc(text, room);
            if (!larger)
                return -ENOMEM;
            text = larger;
        }
        ssize_t got = net_receive(fd, text + size, room - size - 1, deadline_ns);
        if (got < 0)
            return (int)got;
        if (got == 0)
            break;
        size += (size_t)got;
    }
    text[size] = '\0';
    *out_text = text;
    text = NULL;
    return 0;
}

enum word_mode word_mode(int port, int64_t deadline_ns)
{
    __attribute__((cleanup(free_text))) char *text = NULL;
    if (word_ask(port, "srvr", deadline_ns, &text) < 0 || !*text)
        return WORD_MUTE;
    if (strstr(text, "Mode: standalone"))
        return WORD_STANDALONE;
    if (strstr(text, "Mode: leader"))
        return WORD_LEADER;
    if (strstr(text, "Mode: follower"))
        return WORD_FOLLOWER;
    return WORD_NOT_SERVING;
}
