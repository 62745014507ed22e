#!/usr/bin/perl
# A batch worker around Mail::DKIM. Commands on standard input, blobs follow their line with lengths:
#   forget                                                  -> ok (no key is known any more)
#   key NAME LEN \n RECORD                                  -> ok
#   verify LEN \n MESSAGE                                   -> ok COUNT \n, then per signature: RESULT DETAIL \n
#   sign HC/BC DOMAIN SELECTOR NAMES KEYLEN LEN \n KEY MESSAGE  -> ok LEN \n FIELD (without the final CRLF)
#   domainkeys CANON DOMAIN SELECTOR NAMES KEYLEN LEN \n KEY MESSAGE  -> the same, for a DomainKey-Signature
#   canonicalize CANON NAMES LEN \n MESSAGE                -> ok LEN \n what DomainKeys hashes; CANON is simple or nofws
#   nowsp NAMES LEN \n MESSAGE                             -> ok LEN \n header, body, signature under DKIM's old c=nowsp
#   time COUNT LEN \n MESSAGE                              -> ok SECONDS \n: CPU time of one of COUNT verifications, all good
# NAMES are separated by colons and signed as often as named; "-" leaves the choice to Mail::DKIM, or means no h=. Keys
# come from memory. A message may have DKIM and DomainKeys signatures, which are judged in the order of the header.
use strict;
use warnings;
use Crypt::OpenSSL::RSA;
use Mail::DKIM::DkSignature;
use Mail::DKIM::Signer;
use Mail::DKIM::Verifier;
use Mail::DKIM::PrivateKey;
use Time::HiRes qw(clock);

my %records;

{
    package Record;
    sub new { my ( $class, $text ) = @_; return bless { text => $text }, $class }
    sub type { return 'TXT' }
    sub txtdata { return $_[0]{text} }
}

{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = sub {
        my ( $name, $type ) = @_;
        my $text = $records{ lc $name };
        $@ = defined $text ? '' : 'NXDOMAIN';
        return defined $text ? ( Record->new($text) ) : ();
    };
}

sub read_blob {
    my ($length) = @_;
    my $data = '';
    read( STDIN, $data, $length ) == $length or die "short input\n";
    return $data;
}

sub run_verify {
    my ($message) = @_;
    my $verifier = Mail::DKIM::Verifier->new;
    $verifier->PRINT($message);
    $verifier->CLOSE;
    my @signatures = $verifier->signatures;
    print 'ok ', scalar(@signatures), "\n";
    for my $signature (@signatures) {
        my $detail = $signature->result_detail;
        $detail =~ s/[\r\n]+/ /g;
        print $signature->result, ' ', $detail, "\n";
    }
    return;
}

sub run_sign {
    my ( $canonicalization, $domain, $selector, $names, $key, $message ) = @_;
    my $private = Mail::DKIM::PrivateKey->load( Cork => Crypt::OpenSSL::RSA->new_private_key($key) );
    my $signer = Mail::DKIM::Signer->new(
        Algorithm => 'rsa-sha256',
        Method    => $canonicalization,
        Domain    => $domain,
        Selector  => $selector,
        Key       => $private,
        ( $names eq '-' ? () : ( Headers => $names ) ),
    );
    $signer->PRINT($message);
    $signer->CLOSE;
    my $field = $signer->signature->as_string;
    print 'ok ', length($field), "\n", $field;
    return;
}

sub run_domainkeys {
    my ( $canonicalization, $domain, $selector, $names, $key, $message ) = @_;
    my $private = Mail::DKIM::PrivateKey->load( Cork => Crypt::OpenSSL::RSA->new_private_key($key) );
    my $signer = Mail::DKIM::Signer->new(
        Policy => sub {
            $_[0]->add_signature(
                Mail::DKIM::DkSignature->new(
                    Algorithm => 'rsa-sha1',
                    Method    => $canonicalization,
                    Domain    => $domain,
                    Selector  => $selector,
                    Query     => 'dns',
                    Key       => $private,
                    ( $names eq '-' ? () : ( Headers => $names ) ),
                )
            );
            return;
        },
    );
    $signer->PRINT($message);
    $signer->CLOSE;
    my $field = $signer->signature->as_string;
    print 'ok ', length($field), "\n", $field;
    return;
}

sub run_canonicalize {
    my ( $canonicalization, $names, $message ) = @_;
    my $text = '';
    my $signer = Mail::DKIM::Signer->new(
        Debug_Canonicalization => \$text,
        Policy => sub {
            $_[0]->add_signature(
                Mail::DKIM::DkSignature->new(
                    Method => $canonicalization,
                    ( $names eq '-' ? () : ( Headers => $names ) ),
                )
            );
            return;
        },
    );
    $signer->PRINT($message);
    eval { $signer->CLOSE };    # there is no key
    print 'ok ', length($text), "\n", $text;
    return;
}

sub run_nowsp {
    my ( $names, $message ) = @_;
    my $text   = '';
    my $signer = Mail::DKIM::Signer->new(
        Debug_Canonicalization => \$text,
        Algorithm              => 'rsa-sha1',
        Method                 => 'nowsp/nowsp',
        Headers                => $names,
    );
    $signer->PRINT($message);
    eval { $signer->CLOSE };    # there is no key
    print 'ok ', length($text), "\n", $text;
    return;
}

sub run_time {
    my ( $count, $message ) = @_;
    my $start = clock();
    for ( 1 .. $count ) {
        my $verifier = Mail::DKIM::Verifier->new;
        $verifier->PRINT($message);
        $verifier->CLOSE;
        $verifier->result eq 'pass' or die $verifier->result_detail, "\n";
    }
    printf "ok %.9f\n", ( clock() - $start ) / $count;
    return;
}

binmode STDIN;
binmode STDOUT;
$| = 1;
while ( my $line = <STDIN> ) {
    chomp $line;
    my ( $command, @words ) = split ' ', $line;
    if ( $command eq 'forget' ) {
        %records = ();
        print "ok\n";
    }
    elsif ( $command eq 'key' ) {
        $records{ lc $words[0] } = read_blob( $words[1] );
        print "ok\n";
    }
    elsif ( $command eq 'verify' ) {
        run_verify( read_blob( $words[0] ) );
    }
    elsif ( $command eq 'sign' ) {
        my $key = read_blob( $words[4] );
        run_sign( @words[ 0 .. 3 ], $key, read_blob( $words[5] ) );
    }
    elsif ( $command eq 'domainkeys' ) {
        my $key = read_blob( $words[4] );
        run_domainkeys( @words[ 0 .. 3 ], $key, read_blob( $words[5] ) );
    }
    elsif ( $command eq 'canonicalize' ) {
        run_canonicalize( @words[ 0 .. 1 ], read_blob( $words[2] ) );
    }
    elsif ( $command eq 'nowsp' ) {
        run_nowsp( $words[0], read_blob( $words[1] ) );
    }
    elsif ( $command eq 'time' ) {
        run_time( $words[0], read_blob( $words[1] ) );
    }
    else {
        die "unknown command: $command\n";
    }
}
