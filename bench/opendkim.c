/*
 * A batch worker around libopendkim, for the benchmark and the cross-checks.
 *
 * It reads commands from standard input and answers each on standard output. Blobs follow their line, with lengths:
 *
 *   forget                                      -> ok (no key is known any more)
 *   key NAME LEN \n RECORD                      -> ok
 *   verify COUNT NOW LEN \n MESSAGE             -> ok CPU_NS STAT SIGS \n, then per signature: FLAGS BODYHASH ERROR DOMAIN \n
 *   sign COUNT NOW HCANON BCANON ALG LENGTH DOMAIN SELECTOR NAMES KEYLEN LEN \n KEY MESSAGE
 *                                               -> ok CPU_NS STAT LEN \n FIELD
 *
 * Messages are in wire form. CPU_NS is the CPU time of this process for COUNT runs over one message; splitting the header
 * into fields is part of it, as a caller has to do it too. The body goes in by pieces of 64 KiB, as a milter gets it.
 * Keys are answered from memory. NAMES are separated by colons; "-" leaves the choice to the library.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdint.h>
#include <stdbool.h>
#include <time.h>
#include <sys/types.h>
#include <opendkim/dkim.h>

#define MAX_KEYS 4096
#define MAX_NAMES 64
#define PIECE 65536

struct key {
	char name[512];
	unsigned char *record;
};

static struct key keys[MAX_KEYS];
static int key_count;
static DKIM_LIB *library;

static void die(const char *why)
{
	fprintf(stderr, "opendkim worker: %s\n", why);
	exit(1);
}

static unsigned char *read_blob(size_t length)
{
	unsigned char *data = malloc(length + 1);

	if (data == NULL || fread(data, 1, length, stdin) != length)
		die("short input");
	data[length] = '\0';
	return data;
}

static uint64_t cpu_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

/* The callback that stands for DNS. */
static DKIM_CBSTAT find_key(DKIM *dkim, DKIM_SIGINFO *signature, u_char *buffer, size_t size)
{
	char name[512];

	(void) dkim;
	snprintf(name, sizeof name, "%s._domainkey.%s", dkim_sig_getselector(signature), dkim_sig_getdomain(signature));
	for (int i = key_count - 1; i >= 0; i--) {
		if (strcasecmp(keys[i].name, name) == 0) {
			snprintf((char *) buffer, size, "%s", keys[i].record);
			return DKIM_CBSTAT_CONTINUE;
		}
	}
	return DKIM_CBSTAT_NOTFOUND;
}

/* Hands a message to the library, piece by piece; the answer is that of the end of message. */
static DKIM_STAT feed(DKIM *dkim, unsigned char *message, size_t length)
{
	unsigned char *end = message + length;
	unsigned char *field = message;
	DKIM_STAT status;

	while (field < end && !(field + 1 < end && field[0] == '\r' && field[1] == '\n')) {
		unsigned char *stop = field;
		unsigned char *next;

		for (;;) {
			stop = memchr(stop, '\r', (size_t) (end - stop));
			if (stop == NULL || stop + 1 >= end) {
				stop = next = end;
				break;
			}
			if (stop[1] == '\n' && (stop + 2 >= end || (stop[2] != ' ' && stop[2] != '\t'))) {
				next = stop + 2;
				break;
			}
			stop++;
		}
		status = dkim_header(dkim, field, (size_t) (stop - field));
		if (status != DKIM_STAT_OK)
			return status;
		field = next;
	}
	status = dkim_eoh(dkim);
	if (status != DKIM_STAT_OK)
		return status;
	if (field + 2 <= end)
		field += 2;
	while (field < end) {
		size_t piece = (size_t) (end - field) < PIECE ? (size_t) (end - field) : PIECE;

		status = dkim_body(dkim, field, piece);
		if (status != DKIM_STAT_OK)
			return status;
		field += piece;
	}
	return dkim_eom(dkim, NULL);
}

static void set_time(uint64_t now)
{
	dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_FIXEDTIME, &now, sizeof now);
}

static void run_key(const char *line)
{
	size_t length;

	if (key_count == MAX_KEYS)
		die("too many keys");
	if (sscanf(line, "key %511s %zu", keys[key_count].name, &length) != 2)
		die("bad key command");
	keys[key_count++].record = read_blob(length);
	puts("ok");
}

static void run_forget(void)
{
	while (key_count > 0)
		free(keys[--key_count].record);
	puts("ok");
}

static void print_signatures(DKIM *dkim)
{
	DKIM_SIGINFO **signatures;
	int count;

	if (dkim_getsiglist(dkim, &signatures, &count) != DKIM_STAT_OK)
		count = 0;
	printf(" %d\n", count);
	for (int i = 0; i < count; i++) {
		unsigned char *domain = dkim_sig_getdomain(signatures[i]);

		printf("%u %d %d %s\n", dkim_sig_getflags(signatures[i]), dkim_sig_getbh(signatures[i]),
		       dkim_sig_geterror(signatures[i]), domain == NULL ? (unsigned char *) "-" : domain);
	}
}

static void run_verify(const char *line)
{
	unsigned long count;
	uint64_t now, spent, start;
	size_t length;
	unsigned char *message;
	DKIM *dkim = NULL;
	DKIM_STAT status = DKIM_STAT_OK;

	if (sscanf(line, "verify %lu %lu %zu", &count, &now, &length) != 3 || count == 0)
		die("bad verify command");
	message = read_blob(length);
	set_time(now);
	start = cpu_now();
	for (unsigned long i = 0; i < count; i++) {
		if (dkim != NULL)
			dkim_free(dkim);
		dkim = dkim_verify(library, (const unsigned char *) "1", NULL, &status);
		if (dkim == NULL)
			die("no verification handle");
		status = feed(dkim, message, length);
	}
	spent = cpu_now() - start;
	printf("ok %lu %d", spent, status);
	print_signatures(dkim);
	dkim_free(dkim);
	free(message);
}

static void split_names(char *names, const char **list)
{
	int count = 0;

	for (char *name = strtok(names, ":"); name != NULL && count < MAX_NAMES; name = strtok(NULL, ":"))
		list[count++] = name;
	list[count] = NULL;
}

static void run_sign(const char *line)
{
	unsigned long count;
	uint64_t now, spent, start;
	int header_canon, body_canon, algorithm;
	long body_length;
	char domain[256], selector[256], names[2048];
	size_t key_length, length, field_length = 0;
	unsigned char *key, *message, *field = NULL;
	const char *list[MAX_NAMES + 1];
	DKIM *dkim = NULL;
	DKIM_STAT status = DKIM_STAT_OK;

	if (sscanf(line, "sign %lu %lu %d %d %d %ld %255s %255s %2047s %zu %zu", &count, &now, &header_canon, &body_canon,
	           &algorithm, &body_length, domain, selector, names, &key_length, &length) != 11 || count == 0)
		die("bad sign command");
	key = read_blob(key_length);
	message = read_blob(length);
	if (strcmp(names, "-") != 0)
		split_names(names, list);
	set_time(now);
	start = cpu_now();
	for (unsigned long i = 0; i < count; i++) {
		if (dkim != NULL)
			dkim_free(dkim);
		dkim = dkim_sign(library, (const unsigned char *) "1", NULL, key, (unsigned char *) selector,
		                 (unsigned char *) domain, header_canon, body_canon, algorithm, body_length, &status);
		if (dkim == NULL)
			die("no signing handle");
		if (strcmp(names, "-") != 0)
			dkim_signhdrs(dkim, list);
		status = feed(dkim, message, length);
		if (status == DKIM_STAT_OK)
			status = dkim_getsighdr_d(dkim, strlen(DKIM_SIGNHEADER) + 2, &field, &field_length);
	}
	spent = cpu_now() - start;
	if (status != DKIM_STAT_OK)
		field_length = 0;
	printf("ok %lu %d %zu\n", spent, status, field_length);
	fwrite(field_length == 0 ? (unsigned char *) "" : field, 1, field_length, stdout);
	dkim_free(dkim);
	free(key);
	free(message);
}

int main(void)
{
	char line[4096];

	library = dkim_init(NULL, NULL);
	if (library == NULL)
		die("dkim_init failed");
	dkim_set_key_lookup(library, find_key);
	while (fgets(line, sizeof line, stdin) != NULL) {
		if (strcmp(line, "forget\n") == 0)
			run_forget();
		else if (strncmp(line, "key ", 4) == 0)
			run_key(line);
		else if (strncmp(line, "verify ", 7) == 0)
			run_verify(line);
		else if (strncmp(line, "sign ", 5) == 0)
			run_sign(line);
		else
			die("unknown command");
		fflush(stdout);
	}
	dkim_close(library);
	return 0;
}
