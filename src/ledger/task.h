/* task.h - requests about a whole campaign: not many a day, each on its own, apart from jobs and
 * commits.
 *
 * What writes (create, add stock, close) is a machine of flights, as the jobs are. What only looks,
 * and the deletion, is straight-line code over task_fly(), which sends one flight and waits for it.
 */
#ifndef LEDGER_TASK_H
#define LEDGER_TASK_H

#include "ledger/machine.h"

struct task {
    struct op op;
    struct list node; /* of ledger->tasks */
    struct lk_ledger *ledger;
    struct flight flight;
    struct timer pause;
    bool unsettled; /* a write of it is on its way, or was lost */
};

/* Begins the task, lets `start` send the first flight (or finish), and waits. */
int task_run(struct task *task, struct lk_ledger *ledger, int64_t deadline_ns,
             void (*start)(struct task *task));
void task_finish(struct task *task, int status);
/* Sends, or finishes the task with what was wrong. */
void task_send(struct task *task, const struct keeper_request *requests, size_t count,
               void (*landed)(struct flight *flight));

/* Sends one flight and waits until it has landed; the answers stay in task->flight until the next,
 * or task_clear(). */
int task_fly(struct task *task, struct lk_ledger *ledger, const struct keeper_request *requests,
             size_t count, int64_t deadline_ns);
/* As task_fly(), for reads of which the first is a barrier: asks again until all were answered within
 * one session. So they show at least what any answer before them showed: a new session may begin at
 * a server that lags. */
int task_look(struct task *task, struct lk_ledger *ledger, const struct keeper_request *requests,
              size_t count, int64_t deadline_ns);
void task_clear(struct task *task);

/* The campaign and its shards as they are now, and the server's time. All of one campaign, also
 * where another was made meanwhile at the same path. Where is_picture is false, claims that never
 * paused moved stock between the shards while they were read: then they need not add up. */
struct survey {
    struct task task;
    struct campaign campaign;
    int64_t czxid;   /* of its record: no other campaign has the same */
    int32_t version; /* of its record */
    struct shard shards[LK_SHARDS_MAX];
    int shard_status[LK_SHARDS_MAX]; /* of each: LK_OK, LK_E_NOT_FOUND, what its record is */
    bool is_picture;                 /* the record and all shards are of one moment */
    int64_t picture_zxid;            /* the newest write to any of them */
    int64_t now_ms;
};
int survey_make(struct survey *survey, struct lk_ledger *ledger, int64_t deadline_ns);
void survey_free(struct survey *survey);

/* Names of znodes in several folders, read in one flight. A folder that is not there is as one that
 * is empty. */
#define FOLDERS_MAX 64
struct names {
    struct child {
        char *name;
        size_t folder;
    } * children;
    size_t count;
};
/* Stats of the folders stay in task->flight.answers[1...]. */
int names_read(struct names *names, struct task *task, struct lk_ledger *ledger,
               char *const *folders, size_t count, int64_t deadline_ns);
void names_free(struct names *names);
/* How many folders to read next, when so many had so many names: some pages at once, and no burst
 * that others would wait behind. `folders` 0: for the first time. */
size_t names_folders(size_t folders, size_t names);

/* All accounts, a page at a time: buckets, then names, then records. LK_E_NOT_FOUND: the campaign is
 * gone, or another one stands there. */
#define PAGE_SIZE 128
struct pages {
    struct task task;
    struct lk_ledger *ledger;
    int64_t czxid;         /* of the campaign's record */
    struct names buckets;  /* of which bucket_at have been listed, */
    struct names accounts; /* the last of them, from `first_bucket` on, here */
    size_t first_bucket, bucket_at, account_at;
    size_t folders;      /* to list next */
    size_t first, count; /* the page, of accounts */
    const struct answer *answers;
};
int pages_open(struct pages *pages, struct lk_ledger *ledger, int64_t czxid, int64_t deadline_ns);
int pages_next(struct pages *pages, int64_t deadline_ns); /* LK_OK with count 0: that was all */
void pages_close(struct pages *pages);
/* Of the nth account of the page: its znode's name, and its bucket's. */
const char *page_name(const struct pages *pages, size_t nth);
const char *page_bucket(const struct pages *pages, size_t nth);

/* An account for the public: one allocation. */
int account_show(const struct account *account, const struct campaign *campaign, int64_t now_ms,
                 lk_account **out);

#endif
