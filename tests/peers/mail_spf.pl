#!/usr/bin/perl
# A batch worker around Mail::SPF: one JSON object a line in, one out.
#   {"scope": "pra", "identity": "a@example.org", "ip": "192.0.2.1", "helo": "mx.example.net",
#    "zone": {"example.org": {"TXT": ["spf2.0/pra -all"], "A": ["192.0.2.1"], "MX": ["10 mail.example.org"]},
#             "slow.example": "TIMEOUT", "failing.example": "SERVFAIL"}}
#   -> {"result": "fail", "text": "why, in the words of the domain", "why": "for people"}
use strict;
use warnings;
use JSON::PP;
use Mail::SPF;
use Net::DNS;

{
    package ZoneResolver;

    sub new { my ( $class, $zone ) = @_; return bless { zone => $zone, error => 'NOERROR' }, $class }
    sub errorstring { return $_[0]{error} }

    sub send {    ## no critic
        my ( $self, $name, $type ) = @_;
        my $held = $self->{zone}{ lc $name };
        $self->{error} = 'NOERROR';
        if ( defined $held and $held eq 'TIMEOUT' ) {
            $self->{error} = 'query timed out';
            return;
        }
        my $packet = Net::DNS::Packet->new( $name, $type, 'IN' );
        $packet->header->qr(1);
        $packet->header->rcode( !defined $held ? 'NXDOMAIN' : $held eq 'SERVFAIL' ? 'SERVFAIL' : 'NOERROR' );
        return $packet if !ref $held;
        $packet->push( answer => record( $name, $type, $_ ) ) for @{ $held->{$type} || [] };
        return $packet;
    }

    sub record {
        my ( $name, $type, $value ) = @_;
        if ( $type eq 'TXT' ) {
            return Net::DNS::RR->new( owner => $name, type => 'TXT', txtdata => [ unpack '(a255)*', $value ] );
        }
        return Net::DNS::RR->new("$name. 3600 IN $type $value");
    }
}

my $json = JSON::PP->new->utf8;
$| = 1;
while ( my $line = <STDIN> ) {
    my $asked  = $json->decode($line);
    my $server = Mail::SPF::Server->new(
        dns_resolver   => ZoneResolver->new( $asked->{zone} ),
        hostname       => 'unknown',
        query_rr_types => Mail::SPF::Server->query_rr_type_txt,
        default_authority_explanation => '',
    );
    my $answer = eval {
        my $request = Mail::SPF::Request->new(
            scope         => $asked->{scope},
            identity      => $asked->{identity},
            ip_address    => $asked->{ip},
            helo_identity => $asked->{helo},
        );
        my $found = $server->process($request);
        my $text  = $found->can('authority_explanation') ? $found->authority_explanation : '';
        { result => $found->code, text => "$text", why => $found->text };
    };
    $answer ||= { result => 'exception', text => '', why => "$@" };
    print $json->encode($answer), "\n";
}
