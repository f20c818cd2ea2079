/* tell.h - requests, replies and transactions in words, for the story of a failed seed. */
#ifndef SIM_TELL_H
#define SIM_TELL_H

#include "ensemble.h"

#define TELL_SIZE 400

const char *request_words(const struct keeper_request *request, char text[TELL_SIZE]);
const char *reply_words(const struct keeper_reply *reply, char text[TELL_SIZE]);
const char *watch_event_name(enum keeper_watch_event event);
void tell_txn(const struct server *server, const struct txn *txn);

#endif
