/* live.h - a world for each test: a private server, a fresh root, a proxy, and people who stand in
 * lines.
 *
 * What happens becomes a story (a line for each change, answer and log message), printed when the
 * test fails. Tests wait for what shall happen, never for a time. When a test ends its handles are
 * freed first, while their clients still live, and every znode of theirs must go: that none stays
 * behind is checked after each test, whatever it was about.
 *
 * The raw client is ZooKeeper's own, on a direct connection: the stranger, the operator and the
 * witness. */
#ifndef LIVE_H
#define LIVE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <latchkey/latchkey.h>
#include <zookeeper/zookeeper.h>

#include "zkbox.h"

enum {
    PATIENCE_MS = 60000,
    CALM_MS = 30000, /* a session timeout for tests that are not about time */
    BRISK_MS =
        9000, /* for those that connect again often: the client pauses for a sixtieth of it */
    TICK_MS = 200,
    BRIEF_MS = 6 * TICK_MS, /* one that is over soon */
};

/* ---- a program of tests ---- */

struct live_test {
    void (*run)(void);
};
#define LIVE_TEST(function)                                                                        \
    {                                                                                              \
#function, live_run_test, live_begin, live_end, &(struct live_test)                        \
        {                                                                                          \
            function                                                                               \
        }                                                                                          \
    }
void live_run_test(void **state);
int live_begin(void **state);
int live_end(void **state);

/* Starts a box (options NULL: one server, tick TICK_MS, no fsync), runs the tests; how many failed.
 */
int live_main(const char *name, const zkbox_options *options, const struct CMUnitTest *tests,
              size_t count);

/* ---- the world ---- */

zkbox *live_box(void);
const char *live_root(void);             /* of this test, as the server sees it: "/t7" */
const char *live_path(const char *path); /* below the root; valid for the next eight calls */
zkbox_proxy *live_proxy(void);           /* of this test, before node 0 */
__attribute__((format(printf, 1, 2))) void live_tell(const char *format, ...);

struct live_client {
    bool proxied;        /* through live_proxy() */
    const char *servers; /* NULL: node 0, or the proxy */
    int64_t timeout_ms;  /* 0: CALM_MS */
    bool own_loop;       /* the test dispatches */
    bool unconnected;    /* do not wait for the connection */
    const char *auth;
    lk_access access;
};
#define LIVE_CLIENT(name, ...) live_client(name, (struct live_client){ __VA_ARGS__ })
lk_client *live_client(const char *name, struct live_client how);
lk_client *live_forget_client(lk_client *client); /* the test frees it itself */
int live_node_of(lk_client *client); /* that serves its session; -1: none that answers */

/* ---- who stands in a line ---- */

enum { CHANGES_MAX = 256 };

struct stand {
    const char *name;
    lk_lock *lock;
    lk_candidate *candidate;
    lk_grant_change changes[CHANGES_MAX];
    int64_t at_ns[CHANGES_MAX]; /* when it was told */
    size_t count, seen;
};
struct stand *live_lock(lk_client *client, const char *name, const char *path);
struct stand *live_candidate(lk_client *client, const char *name, const char *path,
                             const char *card);
void stand_free(struct stand *stand);

/* The next change to this state, from where the last call stopped; what comes before it is passed
 * over. */
const lk_grant_change *await_change(struct stand *stand, lk_grant_state state);
/* Of the last change to this state; 0: none. */
int64_t change_time(const struct stand *stand, lk_grant_state state);
/* Waits for as many changes as these, "waiting held idle": they must be all there have been. */
void assert_changes(struct stand *stand, const char *states);

/* The end of an asynchronous request. */
struct answer {
    const char *name;
    int status;
    unsigned times;
    int64_t at_ns;
    unsigned rank; /* 1: the first answer of the test */
};
struct answer *live_answer(const char *name);
void answer_done(int status, void *arg);
int await_answer(struct answer *answer);
bool is_answered(struct answer *answer);

struct answer *start_acquire(struct stand *stand, int64_t deadline_ns);
lk_fence acquire(struct stand *stand); /* must succeed */
void release(struct stand *stand);     /* must succeed */

/* One that is freed with the stands, if the test does not free it before. */
lk_semaphore *live_semaphore(lk_client *client, const char *path, uint32_t permits,
                             const lk_semaphore_options *options);
void live_free_semaphore(lk_semaphore *semaphore);
struct answer *start_permits(lk_semaphore *semaphore, uint32_t count, const char *name);
void take_permits(lk_semaphore *semaphore, uint32_t count); /* must succeed */
void give_back(lk_semaphore *semaphore);                    /* must succeed */

/* Until `is(arg)`; looks again at every change, answer, log line and raw event. */
void live_await(const char *what, bool (*is)(void *arg), void *arg);
/* Lets live_await() look again; for own callbacks. */
void live_changed(void);

#define assert_status(call, expected)                                                              \
    live_assert_status(#call, (call), (expected), __FILE__, __LINE__)
void live_assert_status(const char *call, int status, int expected, const char *file, int line);

/* ---- the raw client; all paths as the server sees them ---- */

zhandle_t *raw(void);
/* One more, of these servers alone; lives as long as the test. */
zhandle_t *raw_open(const char *servers, int64_t timeout_ms);
int64_t raw_session(void);
void raw_make(const char *path); /* with all parents, persistent, no data */
/* Its name, until the next call. */
const char *raw_create(const char *path, const void *data, size_t size, int mode);
void raw_set(const char *path, const void *data, size_t size);
void raw_delete(const char *path);
bool raw_exists(const char *path, struct Stat *out);
size_t raw_get(const char *path, void *data, size_t size, struct Stat *out);
void raw_limit(const char *path, int perms); /* the world may only do this; the raw client all */

enum { NAMES_MAX = 64, NAME_SIZE = 256 };
struct names {
    size_t count;
    char name[NAMES_MAX][NAME_SIZE]; /* by their last ten characters */
};
void raw_children(const char *path, struct names *out);
void await_children(const char *path, size_t count); /* exactly so many */

/* Notes when the znode goes, by an event of the direct connection. */
struct gone {
    bool is_gone;
    int64_t at_ns;
};
void raw_watch_gone(const char *path, struct gone *gone);
void raw_watch_gone_by(zhandle_t *witness, const char *path, struct gone *gone);
void await_gone(struct gone *gone);

#endif
