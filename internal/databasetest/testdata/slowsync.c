/*
 * A disk that takes what is written at once and is slow to make it durable. Loaded before libc (LD_PRELOAD), it lets fdatasync and fsync
 * take two and a half seconds in processes whose current folder has a file "slow_sync", and nothing else. PostgreSQL's processes stand in
 * their data folder, so the file makes exactly one server's disk slow.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <unistd.h>

static void slow(void)
{
	struct timespec span = {2, 500000000};

	if (access("slow_sync", F_OK) == 0)
		while (nanosleep(&span, &span) != 0)
			; /* a signal does not make the disk faster */
}

int fdatasync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");

	slow();
	return real(fd);
}

int fsync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

	slow();
	return real(fd);
}
