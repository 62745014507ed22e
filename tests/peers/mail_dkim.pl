#!/usr/bin/perl
# A batch worker around Mail::DKIM. Commands on standard input, blobs follow their line with lengths:
#   forget                                                  -> ok (no key is known any more)
#   key NAME LEN \n RECORD                                  -> ok
#   verify LEN \n MESSAGE                                   -> ok COUNT \n, then per signature: RESULT DETAIL \n
#   sign HC/BC DOMAIN SELECTOR NAMES KEYLEN LEN \n KEY MESSAGE  -> ok LEN \n FIELD (without the final CRLF)
# NAMES are separated by colons and signed as often as named; "-" leaves the choice to Mail::DKIM. Keys come from memory.
use strict;
use warnings;
use Crypt::OpenSSL::RSA;
use Mail::DKIM::Signer;
use Mail::DKIM::Verifier;
use Mail::DKIM::PrivateKey;

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
    else {
        die "unknown command: $command\n";
    }
}
