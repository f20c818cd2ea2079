/* request.h - what the ledger's transactions are made of, one line an operation. */
#ifndef LEDGER_REQUEST_H
#define LEDGER_REQUEST_H

#include "base/record.h"
#include "ledger/rotate.h"
#include "session/session.h"

/* That it is there: a seal, a grave. */
static inline struct keeper_request check_there(const char *path)
{
    return (
        struct keeper_request){ .verb = KEEPER_CHECK, .path = path, .version = KEEPER_ANY_VERSION };
}

static inline struct keeper_request check_of(const char *path, int32_t version)
{
    return (struct keeper_request){ .verb = KEEPER_CHECK, .path = path, .version = version };
}

static inline struct keeper_request set_of(const char *path, const struct record_out *record,
                                           int32_t version)
{
    return (struct keeper_request){ .verb = KEEPER_SET,
                                    .path = path,
                                    .data = record->bytes,
                                    .data_size = record->size,
                                    .version = version };
}

/* `record` NULL: empty. */
static inline struct keeper_request create_of(const char *path, const struct record_out *record,
                                              lk_access access)
{
    return (struct keeper_request){ .verb = KEEPER_CREATE,
                                    .path = path,
                                    .data = record ? record->bytes : NULL,
                                    .data_size = record ? record->size : 0,
                                    .access = access };
}

/* Whatever its version. */
static inline struct keeper_request delete_of(const char *path)
{
    return (struct keeper_request){ .verb = KEEPER_DELETE,
                                    .path = path,
                                    .version = KEEPER_ANY_VERSION };
}

/* Sets a znode that has this version, makes one that has none (a negative version), or replaces one
 * whose version nears its end: one operation or two, and answers how many. */
static inline size_t write_of(struct keeper_request *out, const char *path,
                              const struct record_out *record, int32_t version, lk_access access)
{
    bool rotates = version >= VERSION_ROTATE;

    if (rotates)
        out[0] = (struct keeper_request){ .verb = KEEPER_DELETE, .path = path, .version = version };
    out[rotates] = rotates || version < 0 ? create_of(path, record, access)
                                          : set_of(path, record, version);
    return rotates ? 2 : 1;
}

/* `path`: the campaign's, for the log. */
static inline struct keeper_request multi_of(const char *path,
                                             const struct keeper_request *operations, size_t count)
{
    return (struct keeper_request){
        .verb = KEEPER_MULTI, .path = path, .operations = operations, .operation_count = count
    };
}

#endif
