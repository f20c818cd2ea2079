/* latchkey/latchkey.h - everything. Start reading at client.h, then lock.h. */
#ifndef LATCHKEY_LATCHKEY_H
#define LATCHKEY_LATCHKEY_H

#include <latchkey/client.h>
#include <latchkey/config.h>
#include <latchkey/election.h>
#include <latchkey/gate.h>
#include <latchkey/grant.h>
#include <latchkey/guard.h>
#include <latchkey/ledger.h>
#include <latchkey/lock.h>
#include <latchkey/multilock.h>
#include <latchkey/mutex.h>
#include <latchkey/rwlock.h>
#include <latchkey/semaphore.h>
#include <latchkey/status.h>
#include <latchkey/sweeper.h>
#include <latchkey/version.h>

#endif
