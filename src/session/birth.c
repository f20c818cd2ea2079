/* birth.c - see birth.h. */
#include "session/birth.h"

#include <stdint.h>
#include <sys/mman.h>

#define SIZE 1 /* of a page: the kernel rounds up */
#define ADVICE_NONE (-1)

void birth_note(struct birth *birth)
{
    birth->pid = getpid();
    birth->page = NULL;
#ifdef MADV_WIPEONFORK
    unsigned char *page = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                               0);
    if (page == MAP_FAILED)
        return;
    /* Some emulators answer 0 to any advice and do nothing: not where even a senseless one is taken.
     * (BoringSSL's fork detection asks the same.) */
    if (madvise(page, SIZE, ADVICE_NONE) == 0 || madvise(page, SIZE, MADV_WIPEONFORK) != 0) {
        munmap(page, SIZE);
        return;
    }
    *page = 1;
    birth->page = page;
#endif
}

void birth_forget(struct birth *birth)
{
    if (birth->page)
        munmap((void *)(uintptr_t)birth->page, SIZE);
}
