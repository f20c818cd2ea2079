/* differential_script.c - see differential_script.h. */
#include "differential_script.h"

#include <stdio.h>
#include <string.h>

enum {
    PAYLOAD_LARGE = 20000,
    /* What a keeper sends at most, and what is around a create's path and data: keeper/handle.c and
     * keeper/zookeeper.c. */
    REQUEST_MOST = 0xfffff - 1024,
    OVERHEAD = 160,
};

const char *const script_auths[SESSIONS] = { "one:secret", "two:secret", NULL, "one:secret" };

static bool by_chance(struct script *script, unsigned percent)
{
    return chance_percent(&script->chance, percent);
}

static int64_t any(struct script *script, int64_t low, int64_t high)
{
    return chance_between(&script->chance, low, high);
}

/* ---- what stands there ---- */

typedef bool fits_fn(const struct znode *znode, int64_t session);

static bool fits_any(const struct znode *znode, int64_t session)
{
    (void)znode;
    (void)session;
    return true;
}

static bool is_leaf(const struct znode *znode, int64_t session)
{
    (void)session;
    return znode->stat.child_count == 0;
}

static bool has_children(const struct znode *znode, int64_t session)
{
    (void)session;
    return znode->stat.child_count > 0;
}

static bool is_ephemeral(const struct znode *znode, int64_t session)
{
    (void)session;
    return znode->stat.ephemeral_owner != 0;
}

static bool may_have_children(const struct znode *znode, int64_t session)
{
    (void)session;
    return znode->stat.ephemeral_owner == 0;
}

static bool has_maker(const struct znode *znode, int64_t session)
{
    (void)session;
    return znode->maker != NULL;
}

/* NULL: none fits. */
static const struct znode *find(struct script *script, fits_fn *fits)
{
    const struct tree *tree = ensemble_truth(script->ensemble);
    const struct znode *found = NULL;
    size_t size = strlen(script->root);
    int64_t seen = 0;

    for (size_t i = 0; i < TREE_BUCKETS; i++) {
        for (const struct znode *znode = tree->buckets[i]; znode; znode = znode->bucket_next) {
            if (strncmp(znode->path, script->root, size) != 0 || strlen(znode->path) > PATH_SIZE / 2
                || !fits(znode, 0))
                continue;
            if (any(script, 0, seen++) == 0)
                found = znode;
        }
    }
    return found;
}

static bool choose_there(struct script *script, fits_fn *fits, char path[PATH_SIZE])
{
    const struct znode *znode = find(script, fits);

    if (znode)
        snprintf(path, PATH_SIZE, "%s", znode->path);
    return znode != NULL;
}

/* A small tree, three names wide and three levels deep, so that requests meet. */
static void choose_name(struct script *script, char path[PATH_SIZE])
{
    static const char *const names[] = { "a", "b", "c" };
    int64_t choice = any(script, 0, 99);
    int depth = choice < 10 ? 0 : choice < 50 ? 1 : choice < 82 ? 2 : 3;
    int size = snprintf(path, PATH_SIZE, "%s", script->root);

    for (int i = 0; i < depth; i++)
        size += snprintf(path + size, PATH_SIZE - (size_t)size, "/%s", names[any(script, 0, 2)]);
}

static void choose_path(struct script *script, char path[PATH_SIZE])
{
    if (script->made_count && by_chance(script, 12)) {
        size_t newest = script->made_count - 1, back = (size_t)any(script, 0, MADE_MAX - 1);
        snprintf(path, PATH_SIZE, "%s",
                 script->made[(newest - (back < newest ? back : newest)) % MADE_MAX]);
        return;
    }
    if (!by_chance(script, 40) || !choose_there(script, fits_any, path))
        choose_name(script, path);
}

/* ---- one request ---- */

static void choose_data(struct script *script, struct keeper_request *request, const char *path)
{
    int64_t choice = any(script, 0, 999);

    request->data = script->payload + any(script, 0, 9);
    if (choice < 2) /* around the largest: from a little less to a little more */
        request->data_size = (size_t)(REQUEST_MOST - OVERHEAD - (int)strlen(path)
                                      + any(script, -120, 120));
    else if (choice < 7)
        request->data_size = PAYLOAD_LARGE;
    else if (choice > 200)
        request->data_size = (size_t)any(script, 1, 40);
}

static void choose_create(struct script *script, struct keeper_request *request,
                          char path[PATH_SIZE])
{
    bool is_root = strcmp(path, script->root) == 0;

    request->mode = is_root ? KEEPER_PERSISTENT : (enum keeper_mode)any(script, 0, 4);
    request->access = !is_root && by_chance(script, 15) ? LK_ACCESS_CREATOR : LK_ACCESS_OPEN;
    if (request->mode == KEEPER_PERSISTENT_SEQUENTIAL
        || request->mode == KEEPER_EPHEMERAL_SEQUENTIAL)
        strcat(path, by_chance(script, 80) ? "/n-" : "-");
    else if (by_chance(script, 40)) /* below what is there, whatever it is */
        strcat(path, "/a");
    choose_data(script, request, path);
}

/* Right, anything, or not far off. */
static int32_t choose_version(struct script *script, const char *path)
{
    const struct znode *znode = tree_find(ensemble_truth(script->ensemble), path);
    int64_t choice = any(script, 0, 99);

    if (choice < 45)
        return KEEPER_ANY_VERSION;
    if (choice < 75 && znode)
        return znode->stat.version;
    return (int32_t)any(script, 0, 2) + (znode && choice < 90 ? znode->stat.version : 0);
}

static void choose_request(struct script *script, enum keeper_verb verb,
                           struct keeper_request *request, char path[PATH_SIZE])
{
    choose_path(script, path);
    *request = (struct keeper_request){ .verb = verb, .path = path };
    switch (verb) {
    case KEEPER_CREATE:
        choose_create(script, request, path);
        break;
    case KEEPER_SET:
        choose_data(script, request, path);
        request->version = choose_version(script, path);
        break;
    case KEEPER_DELETE:
    case KEEPER_CHECK:
        request->version = choose_version(script, path);
        break;
    case KEEPER_EXISTS:
    case KEEPER_GET:
    case KEEPER_LIST:
        request->watch = by_chance(script, 60);
        break;
    default:
        break;
    }
}

/* The root is every script's: what would change it, or tell of it, is not asked. */
static void choose_at_the_root(struct script *script, struct keeper_request *request,
                               char path[PATH_SIZE])
{
    static const enum keeper_verb verbs[] = { KEEPER_CREATE, KEEPER_DELETE, KEEPER_SYNC };

    strcpy(path, "/");
    *request = (struct keeper_request){ .verb = verbs[any(script, 0, 2)],
                                        .path = path,
                                        .version = KEEPER_ANY_VERSION };
}

static void choose_watch_again(struct script *script, struct step *step)
{
    static const enum keeper_verb verbs[] = { KEEPER_EXISTS, KEEPER_GET, KEEPER_LIST };

    step->session = script->fired_session;
    snprintf(step->path, PATH_SIZE, "%s", script->fired);
    step->request = (struct keeper_request){ .verb = verbs[any(script, 0, 2)],
                                             .path = step->path,
                                             .watch = true };
    script->fired[0] = '\0';
}

/* ---- multi ---- */

/* Would succeed if it stood alone, but for rights. */
static void choose_good(struct script *script, size_t place, struct keeper_request *operation,
                        char path[PATH_SIZE])
{
    *operation = (struct keeper_request){ .verb = KEEPER_CHECK,
                                          .path = path,
                                          .version = KEEPER_ANY_VERSION };
    int64_t choice = any(script, 0, 3);
    if (!choose_there(script,
                      choice == 0   ? may_have_children
                      : choice == 1 ? is_leaf
                                    : fits_any,
                      path)) {
        choose_name(script, path);
        return;
    }
    if (choice == 0) {
        static const enum keeper_mode modes[] = { KEEPER_PERSISTENT, KEEPER_EPHEMERAL,
                                                  KEEPER_EPHEMERAL_SEQUENTIAL,
                                                  KEEPER_PERSISTENT_SEQUENTIAL };
        operation->verb = KEEPER_CREATE;
        operation->mode = modes[any(script, 0, 3)];
        snprintf(path + strlen(path), PATH_SIZE - strlen(path), "/m%zu-", place);
        return;
    }
    operation->version = choose_version(script, path);
    if (choice == 1) {
        operation->verb = KEEPER_DELETE;
    } else if (choice == 2) {
        operation->verb = KEEPER_SET;
        choose_data(script, operation, path);
    }
}

/* One kind of refusal each; if nothing there is fit for it, that of what is not there. */
static void choose_bad(struct script *script, struct keeper_request *operation,
                       char path[PATH_SIZE])
{
    static const struct {
        fits_fn *fits;
        enum keeper_verb verb;
        bool below; /* a child of what fits */
        int32_t off;
    } kinds[] = {
        { fits_any, KEEPER_CREATE, false, 0 },    /* exists */
        { is_leaf, KEEPER_CREATE, true, 0 },      /* see `deep` below: its parent does not */
        { is_ephemeral, KEEPER_CREATE, true, 0 }, /* below an ephemeral */
        { has_children, KEEPER_DELETE, false, 0 },
        { is_leaf, KEEPER_DELETE, false, 7 },
        { fits_any, KEEPER_SET, false, 7 },
        { fits_any, KEEPER_CHECK, false, 7 },
        { has_maker, KEEPER_SET, false, 0 }, /* another's */
        { has_maker, KEEPER_CHECK, false, 0 },
        { has_maker, KEEPER_CREATE, true, 0 },
        { NULL, KEEPER_DELETE, false, 0 }, /* not there */
        { NULL, KEEPER_SET, false, 0 },
        { NULL, KEEPER_CHECK, false, 0 },
    };
    size_t kind = (size_t)any(script, 0, sizeof(kinds) / sizeof(*kinds) - 1);
    bool deep = kind == 1;

    if (!kinds[kind].fits || !choose_there(script, kinds[kind].fits, path))
        snprintf(path, PATH_SIZE, "%s/none", script->root);
    if (kinds[kind].below)
        strcat(path, deep ? "/none/x" : "/x");
    const struct znode *znode = tree_find(ensemble_truth(script->ensemble), path);
    *operation = (struct keeper_request){
        .verb = kinds[kind].verb,
        .path = path,
        .version = kinds[kind].off ? kinds[kind].off + (znode ? znode->stat.version : 0)
                                   : KEEPER_ANY_VERSION,
        .access = kinds[kind].verb == KEEPER_CREATE && by_chance(script, 30) ? LK_ACCESS_CREATOR
                                                                             : LK_ACCESS_OPEN,
    };
}

static void choose_multi(struct script *script, struct step *step)
{
    static const enum keeper_verb verbs[] = { KEEPER_CREATE, KEEPER_CREATE, KEEPER_DELETE,
                                              KEEPER_SET, KEEPER_CHECK };
    size_t count = (size_t)any(script, 1, OPERATIONS_MAX);
    size_t bad = by_chance(script, 60) ? (size_t)any(script, 0, (int64_t)count - 1) : count;
    bool chosen = by_chance(script, 70);

    step->request = (struct keeper_request){ .verb = KEEPER_MULTI,
                                             .operations = step->operations,
                                             .operation_count = count };
    for (size_t i = 0; i < count; i++) {
        struct keeper_request *operation = &step->operations[i];
        if (chosen && i == bad)
            choose_bad(script, operation, step->paths[i]);
        else if (chosen)
            choose_good(script, i, operation, step->paths[i]);
        else
            choose_request(script, verbs[any(script, 0, 4)], operation, step->paths[i]);
        if (operation->mode == KEEPER_CONTAINER) /* not for a multi: keeper.h */
            operation->mode = KEEPER_PERSISTENT;
    }
}

/* ---- a step ---- */

void script_step(struct script *script, struct step *step)
{
    static const enum keeper_verb verbs[] = { KEEPER_CREATE, KEEPER_CREATE, KEEPER_CREATE,
                                              KEEPER_DELETE, KEEPER_DELETE, KEEPER_EXISTS,
                                              KEEPER_GET,    KEEPER_GET,    KEEPER_SET,
                                              KEEPER_LIST,   KEEPER_LIST };

    *step = (struct step){ .session = (int)any(script, 0, SESSIONS - 1) };
    if (script->fired[0] && by_chance(script, 40)) {
        choose_watch_again(script, step);
        return;
    }
    int64_t choice = any(script, 0, 99);
    if (choice < 3)
        step->closes = true;
    else if (choice < 23)
        choose_multi(script, step);
    else if (choice < 25)
        choose_request(script, KEEPER_SYNC, &step->request, step->path);
    else if (choice < 26)
        choose_at_the_root(script, &step->request, step->path);
    else
        choose_request(script, verbs[any(script, 0, 10)], &step->request, step->path);
}

static void note_made(struct script *script, const char *heard)
{
    const char *at = strstr(heard, "answer OK /");
    char *made = script->made[script->made_count % MADE_MAX];

    if (!at || !strstr(at, "0000") || sscanf(at, "answer OK %100s", made) != 1)
        return;
    script->made_count++;
}

void script_heard(struct script *script, const char *heard)
{
    const char *at = strstr(heard, ": event /");

    note_made(script, heard);
    if (!at || at == heard || sscanf(at, ": event %150s", script->fired) != 1)
        return;
    script->fired_session = at[-1] - '0';
    if (script->fired_session < 0 || script->fired_session >= SESSIONS)
        script->fired[0] = '\0';
}
