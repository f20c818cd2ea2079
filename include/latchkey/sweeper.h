/* latchkey/sweeper.h - one process of many writes down what time has done to a campaign.
 *
 * A freeze that runs out takes effect when somebody looks at the account. Where nobody does, a
 * sweeper gives it back: it stands for election (election.h) and, while it leads, goes through all
 * accounts (lk_ledger_sweep()): once an interval, and when the next freeze that it has seen runs
 * out (while an account can't be read, once an interval only). Run one in each process of a shop:
 * one works, the others take over when it dies or is cut off.
 *
 * A leader that was replaced without knowing stops at its next page. Two sweepers that work at once
 * for a moment do no harm: each write is bound to what was read, and what was settled stays so. */
#ifndef LATCHKEY_SWEEPER_H
#define LATCHKEY_SWEEPER_H

#include <latchkey/ledger.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lk_sweeper lk_sweeper;

/* The end of a sweep: LK_OK, or why it failed; `sweep` is NULL then. It is tried again after an
 * interval. Also why it can't stand for election. Runs on the sweeper's own thread, to which no
 * signal comes; the sweeper works on when it returns. It must not free the sweeper. */
typedef void lk_sweeper_fn(int status, const lk_sweep *sweep, void *arg);

typedef struct lk_sweeper_options {
    size_t size;          /* set by LK_SWEEPER_OPTIONS_INIT */
    const char *election; /* where its candidates stand; NULL: the campaign's path and ".sweeper",
                             beside the campaign, so that deleting the campaign finds nothing foreign
                             in it */
    int64_t
        interval_ms; /* between the beginnings of two sweeps, at most; 0: a minute. It sweeps for
                             no more than half of the time, however often something runs out */
    lk_sweeper_fn *told; /* may be NULL */
    void *arg;
} lk_sweeper_options;
#define LK_SWEEPER_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(lk_sweeper_options), NULL, 0, NULL, NULL                                            \
    }

/* Begins to stand; waits for nobody. It has a session and a thread of its own: `client` says how to
 * connect, its label is what observers of the election see. options may be NULL. LK_E_PATH,
 * LK_E_TOO_LARGE; LK_E_SYSTEM: no thread or descriptor could be had. */
LK_API int lk_sweeper_new(lk_sweeper **out, const lk_client_options *client, const char *campaign,
                          const lk_sweeper_options *options);
/* Whether it leads now. */
LK_EXPORT bool lk_sweeper_leads(lk_sweeper *sweeper);
/* Stops it wherever it is, steps down, and frees: takes no longer than two seconds, and as long as
 * told() does. What it was about to write is written or not; another sweep finds out. */
LK_EXPORT lk_sweeper *lk_sweeper_free(lk_sweeper *sweeper);

#ifdef __cplusplus
}
#endif
#endif
