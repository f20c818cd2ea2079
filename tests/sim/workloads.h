/* workloads.h - what clients do in a simulated world, one file each. */
#ifndef SIM_WORKLOADS_H
#define SIM_WORKLOADS_H

#include "testing/sim.h"

extern const struct workload workload_lock, workload_rwlock, workload_semaphore, workload_multilock,
    workload_guard, workload_courtesy, workload_election, workload_ledger;

#endif
