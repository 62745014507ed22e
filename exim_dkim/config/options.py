"""The declared options: what may be set in the configuration file, its type, default and meaning.

Names are Exim's wherever Exim has the option. A default is written as in the file and goes through the same parser.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

OptionType = Literal["expanded string", "string", "boolean", "integer", "octal", "time", "size", "list"]

# The list of 2008, with its effect: every instance that is there is signed and (unlike Exim's default since 4.70)
# nothing is said of fields that are not, so that mailing lists may add theirs. A second From is always excluded.
DEFAULT_SIGN_HEADERS = (
    "+From:=Sender:=Reply-To:=Subject:=Date:=Message-ID:=To:=Cc:=MIME-Version:=Content-Type:"
    "=Content-Transfer-Encoding:=Content-ID:=Content-Description:=Resent-Date:=Resent-From:=Resent-Sender:=Resent-To:"
    "=Resent-Cc:=Resent-Message-ID:=In-Reply-To:=References:=List-Id:=List-Help:=List-Unsubscribe:=List-Subscribe:"
    "=List-Post:=List-Owner:=List-Archive"
)

# Ours, for new sites: what nobody may add to or change on the way is signed once more than it is there. What lists and
# forwarders add (Sender, Resent-*, List-*) is signed where it is there; List-Unsubscribe and its Post because RFC 8058
# §4 wants them signed.
RECOMMENDED_SIGN_HEADERS = (
    "+From:+To:+Cc:+Subject:+Date:+Message-ID:+Reply-To:+In-Reply-To:+References:+MIME-Version:+Content-Type:"
    "+Content-Transfer-Encoding:+Content-ID:+Content-Description:+Content-Disposition:+Content-Language:=Sender:"
    "=Resent-Date:=Resent-From:=Resent-Sender:=Resent-To:=Resent-Cc:=Resent-Message-ID:=List-Id:=List-Help:"
    "=List-Unsubscribe:=List-Unsubscribe-Post:=List-Subscribe:=List-Post:=List-Owner:=List-Archive"
)


class Option(NamedTuple):
    """One option. `default` is text as in the file; None: the option has no value until it is set."""

    name: str
    type: OptionType
    default: str | None
    meaning: str

    @property
    def in_profiles(self) -> bool:
        """Whether it may differ from one profile to another: between transports, or between filters."""
        return not self.name.startswith(_MAIN_ONLY)


# What there is one of in a process, whatever the profiles: the look-up server, the resolver, the log, the user.
_MAIN_ONLY = ("dns_", "lookup_", "user", "group", "pid_file_path", "log_", "syslog_", "milter_filters")


_DECLARED: tuple[tuple[str, OptionType, str | None, str], ...] = (
    # Signing: expanded for every message.
    ("dkim_domain", "expanded string", None, "domains to sign for (a list); each in turn is $dkim_domain"),
    ("dkim_selector", "expanded string", None, "selectors of $dkim_domain (a list); each in turn is $dkim_selector"),
    ("dkim_private_key", "expanded string", None, "private key: a file if it begins with /, else PEM text"),
    ("dkim_canon", "expanded string", "relaxed", "canonicalization: relaxed, simple or HEADER/BODY (or nowsp)"),
    ("dkim_strict", "expanded string", None, "1 or true: defer a message that cannot be signed"),
    ("dkim_sign_headers", "expanded string", DEFAULT_SIGN_HEADERS, "header fields to sign (a list); = and + prefixes"),
    ("dkim_hash", "expanded string", "sha256", "hash of the signature"),
    ("dkim_identity", "expanded string", None, "identity (i=) of the signature"),
    ("dkim_timestamps", "expanded string", None, "put t= in, and x= so many seconds later"),
    ("dkim_request_reports", "boolean", "false", "put r=y in: ask for reports when the signature fails (RFC 6651)"),
    ("dkim_legacy", "boolean", "false", "sign (dkim_canon = nowsp) and verify as in 2005: rsa-sha1, no v=, no bh="),
    ("domainkeys_domain", "expanded string", None, "domains for DomainKeys (a list): the sender's counts"),
    ("domainkeys_selector", "expanded string", None, "selector of $domainkeys_domain"),
    ("domainkeys_private_key", "expanded string", None, "private RSA key: a file if it begins with /, else PEM text"),
    ("domainkeys_canon", "expanded string", "nofws", "canonicalization of DomainKeys: nofws or simple"),
    ("domainkeys_sign_headers", "expanded string", None, "header fields for h= (a list), * is all; unset: all, no h="),
    # Verification.
    ("dkim_verify_hashes", "list", "sha256 : sha512", "hashes that a signature may use"),
    ("dkim_verify_min_keysizes", "string", "rsa=1024 ed25519=250", "smallest acceptable keys, in bits"),
    ("dkim_verify_max_keysize", "integer", "8192", "largest acceptable RSA key, in bits"),
    ("dkim_verify_partial_body", "boolean", "false", "accept signatures that leave part of the body uncovered"),
    ("dkim_verify_signatures", "integer", "8", "how many signatures of a message are looked at"),
    ("dkim_verify_clock_drift", "time", "5m", "how far a signature's clock may be wrong"),
    ("domainkeys_verify", "boolean", "false", "verify DomainKeys signatures; all of them are rsa-sha1"),
    ("domainkeys_verify_min_keysize", "integer", "1024", "smallest acceptable RSA key for DomainKeys, in bits"),
    ("authserv_id", "string", None, "name in Authentication-Results; unset: that of the mail server"),
    # SPF.
    ("spf_max_void_lookups", "integer", "2", "how many DNS look-ups of an SPF evaluation may find nothing"),
    ("spf_timeout", "time", "20s", "longest time for an SPF evaluation, looked at between DNS answers"),
    ("spf_guess", "string", None, "record that domains without one are judged by; it makes no result but `none`"),
    ("senderid_spf1", "boolean", "true", "let v=spf1 records stand in where a domain has none for Sender ID"),
    # DNS.
    ("dns_nameservers", "list", None, "name servers: ADDRESS, ADDRESS PORT or [V6]:PORT; unset: the system's"),
    ("dns_zone_file", "string", None, "answer from this zone file only"),
    ("dns_timeout", "time", "3s", "longest wait for one question, all tries together"),
    ("dns_cache_size", "integer", "20000", "how many names are kept"),
    ("dns_cache_max_ttl", "time", "1h", "longest time to keep an answer"),
    ("dns_cache_negative_ttl", "time", "5m", "longest time to keep the answer that there is none"),
    # Look-up server.
    ("lookup_listen", "list", "/run/exim-dkim/lookup.sock", "sockets: a path, inet:HOST:PORT, inet6:[ADDR]:PORT"),
    ("lookup_socket_mode", "octal", "0660", "mode of the Unix sockets"),
    ("lookup_socket_owner", "string", None, "owner of the Unix sockets"),
    ("lookup_socket_group", "string", None, "group of the Unix sockets"),
    ("lookup_methods", "list", "dkim : domainkeys : spf : senderid", "methods that all, json and authres tell of"),
    ("lookup_timeout", "time", "4s", "a reply comes within this time; Exim waits 5s"),
    ("lookup_request_timeout", "time", "30s", "time that a client has to send its request"),
    ("lookup_max_request", "size", "64M", "largest request"),
    ("lookup_max_connections", "integer", "1000", "how many connections are served at once"),
    ("lookup_cache_size", "integer", "200", "how many messages' results are kept"),
    ("lookup_spool_directories", "list", "/var/spool/exim4 : /var/spool/exim", "spools that may be read"),
    ("lookup_spool_over_inet", "boolean", "false", "read the spool for clients that come over TCP, too"),
    # Milters. Every one may differ from filter to filter: a filter is a profile.
    ("milter_filters", "list", None, "profiles that `exim-dkim milter` serves; unset: those named as the programs are"),
    ("milter_listen", "string", None, "sockets, blanks between: inet:PORT@HOST, inet6:PORT@HOST, unix:PATH"),
    ("milter_socket_mode", "octal", "0660", "mode of the Unix sockets"),
    ("milter_socket_owner", "string", None, "owner of the Unix sockets"),
    ("milter_socket_group", "string", None, "group of the Unix sockets: Postfix, or Sendmail, must be in it"),
    ("milter_methods", "list", None, "spf, senderid, domainkeys, dkim; unset: what the profile's name says"),
    ("milter_mode", "string", "sv", "s signs, v verifies, sv does both"),
    ("milter_domains", "string", None, "whose mail is signed: domains, *.DOMAIN, /FILE; blanks between"),
    ("milter_subdomains", "boolean", "false", "sign mail of subdomains of milter_domains, too"),
    ("milter_key_list", "string", None, "file with a key for each author, instead of milter_domains"),
    ("milter_multiple_signatures", "boolean", "false", "sign by all rules of milter_key_list that fit"),
    ("milter_internal_hosts", "string", "127.0.0.1 ::1", "clients whose mail is signed: hosts, networks, /FILE"),
    ("milter_pop_before_smtp", "expanded string", None, "who has fetched mail, and is internal: /FILE, or yes"),
    ("milter_external_hosts", "string", None, "strangers that may send as milter_domains: no warning"),
    ("milter_daemons", "string", None, "names of the MTA's daemons ({daemon_name}) whose mail is signed"),
    ("milter_macros", "string", None, "macros of the MTA, NAME or NAME=VALUE, that mean: sign"),
    ("milter_peers", "string", None, "clients whose mail is left alone; ! takes some out"),
    ("milter_exempt_domains", "string", None, "mail that an author or sender in these domains sends is not verified"),
    ("milter_trusted_results", "list", None, "methods of filters before this one, on other hosts"),
    ("milter_actions", "string", None, "CAUSE=ACTION: what becomes of mail with a bad signature, or none"),
    ("milter_senderid_reject", "integer", "0", "0 to 5: what SPF and Sender ID must say for mail to be refused"),
    ("milter_dns_softfail", "boolean", "false", "milter_senderid_reject takes DNS trouble for softfail: no deferral"),
    ("milter_reject_text", "string", None, "text of refusals; %a address, %e why, %i client, %t method"),
    ("milter_quarantine", "boolean", "false", "have mail held where it would be refused"),
    ("milter_test_mode", "boolean", "false", "refuse nothing, only record"),
    ("milter_require_fields", "boolean", "false", "security: Date and From once, others at most once"),
    ("milter_identification", "boolean", "false", "add a field that names this filter"),
    ("milter_sendmail_lists", "boolean", "false", "sign lists of addresses as Sendmail delivers them"),
    ("milter_log_why", "boolean", "false", "log why mail was not signed"),
    ("milter_quiet", "boolean", "false", "no line for each message in the log"),
    ("milter_reports", "boolean", "false", "report failed signatures to domains that ask for it"),
    ("milter_report_from", "string", None, "address that reports come from; unset: postmaster at primary_hostname"),
    ("milter_report_command", "string", "/usr/sbin/sendmail -t -i -f <>", "program that takes reports; no shell"),
    ("milter_report_server", "string", None, "inet:PORT@HOST: reports go there by SMTP, with no command"),
    ("milter_report_limit", "integer", "100", "how many reports are sent in an hour"),
    ("milter_report_domain_limit", "integer", "5", "how many of them to one domain"),
    ("milter_restart", "boolean", "false", "start again after a crash"),
    ("user", "string", None, "run as this user"),
    ("group", "string", None, "run as this group"),
    ("pid_file_path", "string", None, "file to hold the process id"),
    ("log_destination", "string", "syslog", "syslog or stderr"),
    ("syslog_facility", "string", "mail", "facility for syslog"),
    ("syslog_processname", "string", "exim-dkim", "name to log under"),
    # Files and messages.
    ("key_directory", "string", None, "private keys must lie below this directory"),
    ("spool_directory", "string", "/var/spool/exim4", "Exim's spool directory"),
    ("split_spool_directory", "boolean", "false", "Exim's spool is split: look there first"),
    ("primary_hostname", "string", None, "name of this host; unset: what the system says"),
    ("qualify_domain", "string", None, "value of $qualify_domain; unset: that of primary_hostname"),
    ("headers_charset", "string", "UTF-8", "character set that $h_ variables are converted to"),
    ("check_rfc2047_length", "boolean", "true", "leave encoded words of more than 75 characters alone"),
    ("strict_acl_vars", "boolean", "false", "an ACL variable that is not set is an error"),
    ("ldap_default_servers", "list", None, "HOST or HOST::PORT of servers for ldap look-ups whose URL names none"),
    ("mysql_servers", "list", None, "HOST/DATABASE/USER/PASSWORD of servers for mysql look-ups; hide it"),
    ("pgsql_servers", "list", None, "HOST/DATABASE/USER/PASSWORD of servers for pgsql look-ups; hide it"),
    ("redis_servers", "list", None, "HOST/DATABASE/PASSWORD of servers for redis look-ups; hide it"),
    ("message_body_visible", "size", "500", "how many bytes $message_body and $message_body_end show"),
    ("message_body_newlines", "boolean", "false", "keep newlines in $message_body and $message_body_end"),
    ("message_memory_limit", "size", "4M", "the filter keeps larger messages in a file"),
)  # fmt: skip

OPTIONS: dict[str, Option] = {row[0]: Option(*row) for row in _DECLARED}
