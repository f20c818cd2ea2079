/* list.h - an intrusive doubly linked ring: a member can leave it without knowing its head. */
#ifndef LIST_H
#define LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev; /* both NULL: zero-initialised, in no list; an empty head too */
};

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static inline void list_init(struct list *head)
{
    head->next = head->prev = head;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == NULL || head->next == head;
}

/* Of a member: whether it is in a list. */
static inline bool list_is_linked(const struct list *node)
{
    return node->next != NULL;
}

static inline void list_append(struct list *head, struct list *node)
{
    if (head->next == NULL)
        list_init(head);
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_prepend(struct list *head, struct list *node)
{
    if (head->next == NULL)
        list_init(head);
    list_append(head->next, node);
}

/* Not linked: nothing happens. */
static inline void list_remove(struct list *node)
{
    if (!node->next)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = NULL;
}

/* The first member, taken out; NULL when empty. */
static inline struct list *list_take(struct list *head)
{
    if (list_is_empty(head))
        return NULL;
    struct list *node = head->next;
    list_remove(node);
    return node;
}

#define list_for_each(node, head)                                                                  \
    for (struct list *node = (head)->next; node && node != (head); node = node->next)

/* The member may be removed on the way. */
#define list_for_each_safe(node, head)                                                             \
    for (struct list *node = (head)->next, *node##_next = node ? node->next : NULL;                \
         node && node != (head); node = node##_next, node##_next = node->next)

#endif
