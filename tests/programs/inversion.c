/* For inversion.py: calls that block, with the GIL where their caller keeps that. */

#include <pthread.h>
#include <semaphore.h>

void prepare(sem_t *semaphore)
{
    sem_init(semaphore, 0, 0);
}

void take(pthread_mutex_t *mutex)
{
    pthread_mutex_lock(mutex);
}

/* Tell those that wait below, then wait for the mutex. */
void tell_and_take(sem_t *semaphore, int waiters, pthread_mutex_t *mutex)
{
    while (waiters--)
        sem_post(semaphore);
    pthread_mutex_lock(mutex);
}

void wait_until_told(sem_t *semaphore)
{
    sem_wait(semaphore);
}
