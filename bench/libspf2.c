/*
 * A batch worker around libspf2, for the benchmark and the cross-checks.
 *
 * It reads lines from standard input, fields separated by TABs, and answers each on standard output:
 *
 *   zone                                -> ok (the zone is empty)
 *   record NAME TYPE STATUS DATA        -> ok; TYPE of arpa/nameser.h, STATUS: 0, or the h_errno of netdb.h
 *   check COUNT CLIENT HELO SENDER      -> ok CPU_NS RESULT REASON ERROR EXPLANATION
 *
 * NAME, DATA, HELO and SENDER are in hexadecimal. CPU_NS is the CPU time of this process for COUNT evaluations of the same envelope, each with a request of its own.
 * DNS is the library's own zone in memory. The numbers are those of spf_response.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <time.h>
#include <netdb.h>
#include <netinet/in.h>
#include <arpa/nameser.h>
#include <spf2/spf.h>
#include <spf2/spf_dns_zone.h>

#define LONGEST 200000
#define FIELDS 5

static SPF_dns_server_t *zone;
static SPF_server_t *server;

static void die(const char *why)
{
	fprintf(stderr, "libspf2 worker: %s\n", why);
	exit(1);
}

static uint64_t cpu_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

/* In its place; the library's strings end at the first NUL. */
static char *decode(char *text)
{
	size_t length = strlen(text) / 2;

	for (size_t index = 0; index < length; index++) {
		unsigned int byte = 0;

		sscanf(text + 2 * index, "%2x", &byte);
		text[index] = (char) byte;
	}
	text[length] = '\0';
	return text;
}

static void empty_zone(void)
{
	SPF_response_t *response = NULL;

	if (server != NULL)
		SPF_server_free(server);
	zone = SPF_dns_zone_new(NULL, "zone", 0);
	if (zone == NULL)
		die("no zone");
	server = SPF_server_new_dns(zone, 0);
	if (server == NULL)
		die("no server");
	SPF_server_set_rec_dom(server, "unknown");
	SPF_server_set_sanitize(server, 0);
	SPF_server_set_explanation(server, "DEFAULT", &response);
	if (response != NULL)
		SPF_response_free(response);
}

static SPF_response_t *evaluate(const char *client, const char *helo, const char *sender, SPF_request_t **request)
{
	SPF_response_t *response = NULL;

	*request = SPF_request_new(server);
	if (strchr(client, ':') != NULL)
		SPF_request_set_ipv6_str(*request, client);
	else
		SPF_request_set_ipv4_str(*request, client);
	SPF_request_set_helo_dom(*request, helo);
	if (*sender != '\0')
		SPF_request_set_env_from(*request, sender);
	SPF_request_query_mailfrom(*request, &response);
	return response;
}

static void check(long count, const char *client, const char *helo, const char *sender)
{
	uint64_t start = cpu_now();

	for (long run = 0; run < count; run++) {
		SPF_request_t *request;
		SPF_response_t *response = evaluate(client, helo, sender, &request);

		if (run == count - 1) {
			const char *text = SPF_response_get_explanation(response);
			uint64_t spent = cpu_now() - start;

			printf("ok\t%llu\t%d\t%d\t%d\t%s\n", (unsigned long long) spent, SPF_response_result(response),
				SPF_response_reason(response), SPF_response_errcode(response), text ? text : "");
		}
		SPF_response_free(response);
		SPF_request_free(request);
	}
}

int main(void)
{
	static char line[LONGEST];

	empty_zone();
	while (fgets(line, sizeof line, stdin) != NULL) {
		char *field[FIELDS] = {"", "", "", "", ""};
		char *rest = line;
		int fields = 0;

		line[strcspn(line, "\n")] = '\0';
		for (; fields < FIELDS - 1 && rest != NULL; fields++)
			field[fields] = strsep(&rest, "\t");
		if (rest != NULL)
			field[FIELDS - 1] = rest;
		if (strcmp(field[0], "zone") == 0) {
			empty_zone();
			puts("ok");
		} else if (strcmp(field[0], "record") == 0) {
			SPF_dns_stat_t status = (SPF_dns_stat_t) atoi(field[3]);

			SPF_dns_zone_add_str(zone, decode(field[1]), (ns_type) atoi(field[2]), status,
				status ? NULL : decode(field[4]));
			puts("ok");
		} else if (strcmp(field[0], "check") == 0) {
			check(atol(field[1]), field[2], decode(field[3]), decode(field[4]));
		} else {
			die("unknown command");
		}
		fflush(stdout);
	}
	return 0;
}
