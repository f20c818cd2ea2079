/* place.h - one place in one line: joined, waited in, held, left. The protocol of docs/protocol.md.
 *
 *   OUT --join--> JOINING --create answered--> SEEKING --first--> PROVING --lease--> HELD
 *     a try: OUT --> LOOKING --nobody there--> JOINING; somebody: refused
 *     JOINING --no parent--> MAKING_PARENTS --> JOINING
 *     JOINING --reply lost--> FINDING --found--> SEEKING; not found: JOINING
 *     SEEKING --behind another--> QUEUED --that one left--> SEEKING
 *     any but HELD --our znode is gone--> MISSING --the session lives--> refused
 *     any --give up, refused, lost, release--> LEAVING --removal confirmed--> OUT
 *     any --the session has ended--> OUT
 *
 * A place belongs to who embeds it and runs inside the monitor alone. Its owner hears of it by
 * place_events; it may act on the place, or free it, in `left` alone, which is the last thing a
 * step does. */
#ifndef PLACE_H
#define PLACE_H

#include <latchkey/grant.h>

#include "line/numbers.h"
#include "line/records.h"
#include "line/term.h"
#include "session/session.h"

struct place;

struct place_events {
    /* Our znode is known: place_proclaim() can be called. */
    void (*named)(struct place *place);
    void (*granted)(struct place *place);
    /* The end of place_downgrade(), still HELD. LK_OK: as a reader, with a znode of another name and
     * czxid. */
    void (*turned)(struct place *place, int status);
    /* SUSPENDED and RESTORED while HELD. */
    void (*lease)(struct place *place, enum lease_change change);
    /* The end of place_prolong(), still HELD. */
    void (*prolonged)(struct place *place, int status);
    /* HELD: somebody asks us to let go. */
    void (*asked)(struct place *place);
    /* HELD no longer; removal goes on by itself. */
    void (*lost)(struct place *place, int reason);
    /* The wish to join is over; removal goes on by itself. */
    void (*refused)(struct place *place, int status);
    /* Our znode is gone, confirmed; a sweep may follow before `left`. */
    void (*removed)(struct place *place);
    /* LEAVING, but the server refuses; it is tried again. */
    void (*stuck)(struct place *place, int status);
    /* OUT: nothing of it remains. If it is still wanted (the session ended while it waited), the
     * owner joins again. */
    void (*left)(struct place *place);
};

/* How to stand in the line. */
struct place_wish {
    bool only_if_free; /* a try */
    bool shares;       /* a reader: holds beside other readers */
    uint32_t weight;   /* permits of a semaphore; else 0 */
    uint32_t ttl_ms;   /* that end so long after their grant; 0: as long as the session lives */
};

enum place_state {
    PLACE_OUT,
    PLACE_LOOKING,
    PLACE_JOINING,
    PLACE_MAKING_PARENTS,
    PLACE_FINDING,
    PLACE_SEEKING,
    PLACE_QUEUED,
    PLACE_PROVING,
    PLACE_DELAYED, /* first, but the one before us was lost, not released */
    PLACE_HELD,
    PLACE_MISSING, /* our znode is gone while we wait: by a stranger's hand, or with a session whose
                      end we shall hear */
    PLACE_LEAVING,
};

/* The parent as last read. */
struct line_look {
    bool exists;
    int status; /* of its record: LK_OK, LK_E_NOT_FOUND (no data at all), LK_E_FOREIGN, or what
                   refuses us */
    struct line_record record;
    struct keeper_stat stat;
};

/* What a semaphore's last listing said. */
struct weighing {
    uint64_t before; /* permits of all who stand before us */
    char *last;      /* the path of the last of them; NULL: nobody does */
    bool somebody_behind;
    bool agreed;       /* on the number of permits */
    bool owes_signal;  /* HELD: whoever stands behind us has not been told */
    bool watches_line; /* predecessor_watch is on the parent; else on `watched` */
    char *watched;     /* path; NULL: nobody */
};

struct place {
    lk_client *client;
    const struct place_events *events;
    const char *path; /* of the parent, as the server sees it; the owner's */
    const char *host; /* the owner's too, as are the words */
    const void *words;
    size_t words_size;
    enum line_kind kind;
    uint32_t permits;  /* a semaphore of so many; 0: of as many as it has. Else 0 */
    uint32_t delay_ms; /* lock delay, for a line that has none yet; 0: none */
    lk_compat compat;

    enum place_state state;
    struct place_wish wish;
    char prefix[NUMBERS_PREFIX_SIZE]; /* of our znode's name */
    bool wanted;                      /* to be in the line */
    bool is_busy;                     /* LOOKING: somebody stands in the way */
    bool uncertain;     /* a create's reply was lost: another znode of ours may yet appear */
    bool is_sweeping;   /* JOINING or FINDING only to remove: what is wanted by now comes after */
    bool looked_before; /* FINDING: one look has found nothing, the last is yet to come */
    uint64_t token;
    char *node; /* the own znode's path; NULL: none known */
    uint32_t number;
    int64_t czxid;
    bool is_turning;                   /* HELD: from writer to reader */
    bool was_uncertain, turn_was_lost; /* before that; a reply to its commit */
    char *turning_to;                  /* the reader's znode, until it is `node` */
    struct watch own_watch;
    bool own_is_watched; /* its get was answered, and nothing came since */

    struct line_look parent;
    size_t making_size; /* MAKING_PARENTS: how much of the path is being made */

    char *predecessor; /* watched in QUEUED */
    uint32_t predecessor_number;
    bool predecessor_is_gone; /* and nobody stood between it and us */
    struct watch predecessor_watch;

    int64_t delay_of;     /* the lost holder (czxid) whom we have found to be gone */
    int64_t noted;        /* by this czxid the line may name us as its holder; 0: it does not */
    int64_t delay_end_ns; /* so long after that; a try that comes again goes by the same */
    int64_t asked_mzxid;  /* of our znode when we were last asked to let go */
    bool asked_early;     /* before the grant, by who saw us to be first: told with it */

    struct weighing weighing; /* of a semaphore, see permits.c */
    struct term term;         /* likewise, as is the next: see term.h */
    struct expiry expiry;

    struct finding *finding;           /* FINDING, see find.c */
    size_t awaited;                    /* replies of the present flight */
    void (*then)(struct place *place); /* what follows when all have come */

    struct request_group requests;
    struct session_listener listener;
    struct lease_hold hold;
    struct timer retry;
};

void place_init(struct place *place, lk_client *client, const struct place_events *events);
/* OUT already. */
void place_fini(struct place *place);

/* Wants to be in the line. OUT: begins at once. Else something of the last time is still to be
 * removed: `left` comes first, and the owner joins then. */
void place_join(struct place *place, struct place_wish wish);
/* No longer: gives up, or releases. OUT: nothing happens. */
void place_leave(struct place *place);
/* Writes the words anew; the reply goes to `fn`. Needs a known znode (place_has_node()), else
 * LK_E_STATE. */
int place_proclaim(struct place *place, struct request_group *group, request_fn *fn, void *context);

/* From writer to reader, without a gap; `turned` follows, unless it is lost or left before. HELD, not
 * turning already. LK_OK or LK_E_NOMEM. */
int place_downgrade(struct place *place);

/* HELD, with a ttl: the permits end so long after this; `prolonged` follows, unless they are lost or
 * left before. If it is under way already, one end comes for both, and the last length counts. */
void place_prolong(struct place *place, uint32_t ttl_ms);

/* The name of a place in this line, but for its number: ours or, of our own kind of programs, a
 * reader's or writer's. */
static inline void place_prefix(const struct place *place, bool is_reader, char *prefix)
{
    numbers_prefix(prefix, (struct numbers_style){ .compat = place->compat,
                                                   .is_rwlock = place->kind == LINE_RWLOCK,
                                                   .is_reader = is_reader,
                                                   .weight = place->wish.weight,
                                                   .has_term = place->wish.ttl_ms > 0 });
}

static inline bool place_has_node(const struct place *place)
{
    return place->node && place->state != PLACE_LEAVING && place->state != PLACE_OUT;
}

/* ---- between the files of this room ---- */

/* place.c: what every step needs. A send that fails ends the step: the place has been refused, or
 * tries again later. */
bool place_send(struct place *place, const struct keeper_request *request, unsigned flags,
                request_fn *fn);
/* Our znode is known. False: no memory for its name. */
bool place_adopt(struct place *place, const char *path, const struct keeper_stat *stat);
void place_forget_node(struct place *place);
void place_quiet(struct place *place);              /* drops requests, watches, timers */
void place_refuse(struct place *place, int status); /* the wish is over; what is there is removed */
void place_gone(struct place *place);               /* a stranger has removed our znode */
void place_lose(struct place *place);               /* HELD: what time took, which stands yet */
void place_left(struct place *place);               /* nothing is there any more, or nearly */
void place_retry_later(struct place *place);
void place_retry_in(struct place *place, int64_t delay_ns);
void place_removed(struct place *place); /* as above, and it was in our line until now */
/* By session and token; or, if Curator's word stands in place of our record, by the session alone, if
 * no other place is known to stand there. */
bool place_is_own(const struct place *place, const char *path, const struct keeper_reply *get);
bool place_is_anothers(const struct place *place, const char *path);
/* The data of a znode that Curator's Revoker asks to let go, whatever was there before. */
bool place_is_curators_word(const struct keeper_reply *get);
int place_status(int rc); /* the status for a server's refusal */
int place_record(const struct place *place, struct record_out *out);
/* The line's record as it is, or as we would make it. */
struct line_record place_line_record(const struct place *place);

/* join.c */
void place_begin(struct place *place);
void place_create(struct place *place);

/* find.c: which znode is ours? For a create whose reply was lost, and for the sweep after it. */
void place_find(struct place *place);
void finding_free(struct place *place);
void place_remove_other(struct place *place); /* the znode known so far is the higher of two */

/* delay.c: the lock delay. True: the grant has to wait for it, and goes on by itself. */
bool delay_begins(struct place *place);

/* permits.c: as seek.c, for semaphores */
void permits_decide(struct place *place);
bool permits_are_taken(struct place *place, const struct keeper_reply *list); /* for a try */
bool permits_can_never_be(const struct place *place); /* another number of them, or fewer */
void permits_granted(struct place *place);
void permits_signal(struct place *place);
void weighing_clear(struct weighing *weighing);

/* seek.c: first, or behind whom? */
void place_read_parent(struct place *place);
void place_parent_read(void *context, const struct keeper_reply *reply);
bool place_watch_own(struct place *place, request_fn *fn);
void place_own_read_aside(void *context, const struct keeper_reply *reply);
void place_note_asked(struct place *place, const struct keeper_reply *reply); /* of our own znode */
/* Begins a flight of `count` requests; `then` when place_arrived() was called for each. */
void place_await(struct place *place, size_t count, void (*then)(struct place *place));
void place_arrived(struct place *place); /* one of its replies has come */
void place_decide(struct place *place);
void place_queue(struct place *place);
void place_prove(struct place *place);
void place_own_read(void *context, const struct keeper_reply *reply);

/* downgrade.c */
void place_downgrade_again(struct place *place);

/* leave.c */
void place_release(struct place *place); /* with the mark */
void place_remove(struct place *place);  /* without */
void place_check_removed(struct place *place);

#endif
