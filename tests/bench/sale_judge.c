/* sale_judge.c - whether what the users were told is what the ledger says; see sale.h. */
#include <inttypes.h>
#include <string.h>

#include "sale.h"

/* What is known of one user: by the ledger, and by each answer of each seller. */
struct guest {
    lk_coupon coupon; /* serial 0: none */
    bool told_yes;
};

struct books {
    const struct terms *terms;
    struct guest *guests;
    uint64_t coupons;
};

/* What one seller told one user. */
struct word {
    enum { NOTHING, YES, HAS_ONE, SOLD_OUT } said;
    lk_coupon coupon;
};

static void wrong(size_t user, const char *what)
{
    fprintf(stderr, "user %zu %s\n", user, what);
    exit(1);
}

/* ---- the ledger's side ---- */

static int enter_account(const lk_account *account, void *arg)
{
    struct books *books = arg;
    size_t user;

    MUST(sscanf(account->user, "guest-%zu", &user) == 1 && user < books->terms->users);
    if (account->count > 1)
        wrong(user, "has more than one coupon");
    if (account->count == 0)
        return 0;
    books->guests[user].coupon = account->coupons[0].coupon;
    books->coupons++;
    return 0;
}

static void audit(const struct terms *terms, lk_ledger *ledger)
{
    lk_audit *audit;

    MUST(lk_ledger_audit(ledger, LK_FOREVER, &audit) == LK_OK);
    for (size_t i = 0; i < audit->fault_count; i++)
        fprintf(stderr, "audit: %s\n", audit->faults[i]);
    MUST(audit->fault_count == 0);
    MUST(audit->stocked == terms->stock && audit->issued == terms->stock);
    MUST(audit->available == 0 && audit->claimed == terms->stock);
    lk_audit_free(audit);
}

/* ---- the users' side ---- */

/* The same id has the same answer, before its seller was killed and after. */
static void hear_word(struct word *words, size_t user, struct word word)
{
    struct word *before = &words[user];

    if (before->said != NOTHING && before->said != word.said)
        wrong(user, "was told one thing, and then another, by the same seller");
    if (before->said == YES
        && (before->coupon.shard != word.coupon.shard
            || before->coupon.serial != word.coupon.serial))
        wrong(user, "was given two coupons for one id");
    *before = word;
}

static struct word parse_word(const char *status, const char *coupon)
{
    struct word word = { NOTHING, { 0, 0 } };

    if (strcmp(status, lk_status_name(LK_OK)) == 0) {
        word.said = YES;
        MUST(lk_coupon_parse(coupon, &word.coupon) == LK_OK);
    } else if (strcmp(status, lk_status_name(LK_E_LIMIT)) == 0) {
        word.said = HAS_ONE;
    } else {
        MUST(strcmp(status, lk_status_name(LK_E_SOLD_OUT)) == 0);
        word.said = SOLD_OUT;
    }
    return word;
}

/* A line that its seller's death cut off counts for nothing. */
static void read_words(const struct terms *terms, size_t seller, struct word *words)
{
    char path[SALE_PATH_SIZE], line[200], status[60], coupon[60];
    size_t user;

    sale_file(terms, seller, path);
    FILE *file = fopen(path, "r");
    MUST(file);
    while (fgets(line, sizeof line, file)) {
        if (!strchr(line, '\n'))
            continue;
        MUST(sscanf(line, "%zu %59s %59s", &user, status, coupon) == 3 && user < terms->users);
        hear_word(words, user, parse_word(status, coupon));
    }
    fclose(file);
}

static void compare(struct books *books, size_t user, const struct word *word)
{
    struct guest *guest = &books->guests[user];
    bool has = guest->coupon.serial != 0;

    switch (word->said) {
    case NOTHING:
        wrong(user, "was told nothing");
        break;
    case YES:
        if (!has || guest->coupon.shard != word->coupon.shard
            || guest->coupon.serial != word->coupon.serial)
            wrong(user, "was told yes and has no such coupon");
        if (guest->told_yes)
            wrong(user, "was told yes by two sellers");
        guest->told_yes = true;
        break;
    case HAS_ONE:
        if (!has || !sale_has_two_sellers(user))
            wrong(user, "was told to have a coupon, and has none that the other seller gave");
        break;
    case SOLD_OUT:
        if (has && !sale_has_two_sellers(user))
            wrong(user, "was told that all is sold, and has a coupon");
        break;
    }
}

static void compare_seller(struct books *books, size_t seller)
{
    struct word *words = calloc(books->terms->users, sizeof *words);

    MUST(words);
    read_words(books->terms, seller, words);
    for (size_t user = 0; user < books->terms->users; user++) {
        if (sale_comes_to(user, seller))
            compare(books, user, &words[user]);
        else
            MUST(words[user].said == NOTHING);
    }
    free(words);
}

void sale_judge(const struct terms *terms, lk_ledger *ledger)
{
    struct books books = { .terms = terms, .guests = calloc(terms->users, sizeof *books.guests) };

    MUST(books.guests);
    audit(terms, ledger);
    MUST(lk_account_each(ledger, enter_account, &books, LK_FOREVER) == LK_OK);
    MUST(books.coupons == terms->stock);
    for (size_t seller = 0; seller < SELLERS; seller++)
        compare_seller(&books, seller);
    for (size_t user = 0; user < terms->users; user++) {
        if (books.guests[user].coupon.serial != 0 && !books.guests[user].told_yes)
            wrong(user, "has a coupon, and was not told so");
    }
    free(books.guests);
}
