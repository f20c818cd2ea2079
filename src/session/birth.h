/* birth.h - in which process something was made: a child that was forked since has a copy, and must
 * leave it alone.
 *
 * Asked at each call, so it is no call of the system's: a page that the kernel clears in a child
 * (MADV_WIPEONFORK) tells; getpid() only where there is none. */
#ifndef SESSION_BIRTH_H
#define SESSION_BIRTH_H

#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>

struct birth {
    /* Begins with 1 here, with 0 in a child; NULL: the pid must tell. */
    const volatile unsigned char *page;
    pid_t pid;
};

void birth_note(struct birth *birth);
void birth_forget(struct birth *birth);

static inline bool birth_was_here(const struct birth *birth)
{
    return birth->page ? *birth->page != 0 : birth->pid == getpid();
}

#endif
