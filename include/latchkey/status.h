/* latchkey/status.h - what a call can answer.
 *
 * LK_OK is 0, failures are negative, numbers are never used twice. Out-parameters are written on
 * LK_OK alone. LK_E_UNKNOWN is the one answer that is neither yes nor no: a reply was lost and the
 * request may have taken effect. Asking again with the same id settles it. */
#ifndef LATCHKEY_STATUS_H
#define LATCHKEY_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#define LK_EXPORT __attribute__((visibility("default")))
#define LK_API LK_EXPORT __attribute__((warn_unused_result))

#define LK_STATUS_MAP(X)                                                                           \
    X(LK_OK, 0, "done")                                                                            \
    /* the call itself */                                                                          \
    X(LK_E_INVALID, -1, "an argument is out of range; nothing was changed")                        \
    X(LK_E_NOMEM, -2, "out of memory; nothing was changed")                                        \
    X(LK_E_DEADLINE, -3, "the deadline passed; the request is withdrawn")                          \
    X(LK_E_CANCELLED, -4, "cancelled by the caller")                                               \
    X(LK_E_CLOSED, -5, "the client is closed")                                                     \
    X(LK_E_FORKED, -6, "the client belongs to the parent process; make a new one after fork")      \
    X(LK_E_WOULD_DEADLOCK, -7, "a blocking call inside a callback would wait for itself")          \
    X(LK_E_UNKNOWN, -8, "a reply was lost; the request may have taken effect, its id settles it")  \
    X(LK_E_STATE, -9, "not possible in the present state of the handle")                           \
    X(LK_E_SYSTEM, -10, "the operating system refused (threads, descriptors)")                     \
    /* the grant */                                                                                \
    X(LK_E_LOST, -11, "the grant was lost")                                                        \
    X(LK_E_BUSY, -12, "another holds it")                                                          \
    X(LK_E_LINE_FULL, -13,                                                                         \
      "the line's numbers are used up; delete its znode when nobody stands there")                 \
    /* the server */                                                                               \
    X(LK_E_NO_SERVER, -14, "no server could be reached")                                           \
    X(LK_E_NO_RIGHTS, -15, "the server refuses: missing rights or wrong credentials")              \
    X(LK_E_SERVER, -16, "the server answered with an error it should not give here")               \
    /* names and records */                                                                        \
    X(LK_E_PATH, -17,                                                                              \
      "not a valid path: absolute, UTF-8, no empty, '.' or '..' part, no '/' at the end")          \
    X(LK_E_TOO_LARGE, -18, "too large to send")                                                    \
    X(LK_E_KIND, -19, "the path already serves another kind of thing")                             \
    X(LK_E_FOREIGN, -20, "the znode holds data that latchkey did not write")                       \
    X(LK_E_CORRUPT, -21, "the record is damaged")                                                  \
    X(LK_E_NEWER_FORMAT, -22, "the record was written by a newer latchkey")                        \
    X(LK_E_NOT_FOUND, -23, "not found")                                                            \
    X(LK_E_EXISTS, -24, "exists already")                                                          \
    X(LK_E_VERSION, -26, "the znode has another version than the one asked for")                   \
    X(LK_E_PERMITS, -29, "the semaphore has another number of permits, or fewer than asked for")   \
    X(LK_E_NOT_EMPTY, -27, "the znode has children")                                               \
    X(LK_E_STALE, -28, "the fence is older than one that passed before")                           \
    /* configuration */                                                                            \
    X(LK_E_CONFIG, -25, "the configuration can't be used")                                         \
    /* the ledger */                                                                               \
    X(LK_E_SOLD_OUT, -40, "sold out")                                                              \
    X(LK_E_LIMIT, -41, "the user's limit is reached")                                              \
    X(LK_E_NOT_OPEN, -42, "the campaign is not open yet")                                          \
    X(LK_E_CAMPAIGN_CLOSED, -43, "the campaign is closed")                                         \
    X(LK_E_CAMPAIGN_ENDED, -44, "the campaign has ended")                                          \
    X(LK_E_NO_COUPON, -45, "the user has no such coupon")                                          \
    X(LK_E_FROZEN, -46, "the coupon is frozen for an order")                                       \
    X(LK_E_NOT_FROZEN, -47, "the coupon is not frozen for this order")                             \
    X(LK_E_REDEEMED, -48, "the coupon is redeemed")                                                \
    X(LK_E_NOT_REDEEMED, -49, "the coupon is not redeemed")                                        \
    X(LK_E_VOID, -50, "the coupon is void")                                                        \
    X(LK_E_UNFROZEN, -51, "this order was unfrozen before; it can't freeze any more")              \
    X(LK_E_ID_TOO_OLD, -52, "the id is older than what the account remembers")                     \
    X(LK_E_ID_DIFFERS, -53, "the id was used before with another body")                            \
    X(LK_E_ACCOUNT_FULL, -54, "the account's record is full")                                      \
    X(LK_E_LINKED, -55, "another operation of the same chain was refused")

#define LK__STATUS_ENUM(name, value, text) name = value,
typedef enum lk_status { LK_STATUS_MAP(LK__STATUS_ENUM) } lk_status;
#undef LK__STATUS_ENUM

/* The sentence for a status; "unknown status" for a number that is none. Never NULL, never freed.
 */
LK_EXPORT const char *lk_status_text(int status);

/* The name for a status, as written above ("LK_E_BUSY"). Never NULL, never freed. */
LK_EXPORT const char *lk_status_name(int status);

#ifdef __cplusplus
}
#endif
#endif
