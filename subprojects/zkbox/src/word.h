/* word.h - asking a server by four-letter words. */
#ifndef ZKBOX_WORD_H
#define ZKBOX_WORD_H

#include <stdint.h>

enum word_mode {
    WORD_MUTE,        /* it does not answer at all */
    WORD_NOT_SERVING, /* it answers, but serves nobody (it looks for a leader) */
    WORD_STANDALONE,
    WORD_LEADER,
    WORD_FOLLOWER,
};

/* The answer to the word, which the caller frees. */
int word_ask(int port, const char *word, int64_t deadline_ns, char **out_text);

/* What the server is at this moment. ruok will not do: it says imok before the server serves. */
enum word_mode word_mode(int port, int64_t deadline_ns);

#endif
