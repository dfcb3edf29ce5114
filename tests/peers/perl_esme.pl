#!/usr/bin/perl
# A client of an SMSC for tests, upon Net::SMPP (Debian libnet-smpp-perl).
#
# As the other peers it obeys JSON lines on stdin and tells JSON lines on stdout; it
# ends when stdin does.  perl perl_esme.pl PORT SYSTEM_ID PASSWORD
use strict;
use warnings;
use IO::Select;
use JSON::PP;
use Net::SMPP;

my ( $port, $system_id, $password ) = @ARGV;
my $json = JSON::PP->new->canonical->latin1;
$| = 1;
local $SIG{__WARN__} = sub { };

my ( $link, $answer ) = Net::SMPP->new_transceiver(
    '127.0.0.1',
    port         => $port,
    system_id    => $system_id,
    password     => $password,
    smpp_version => 0x34,
) or die "cannot bind: $!\n";
announce( 'listening', port   => $port + 0 );
announce( 'bound',     status => $answer->status + 0 );
my $watched = IO::Select->new( $link, \*STDIN );

while (1) {
    for my $ready ( $watched->can_read ) {
        if ( $ready == $link ) { hear() }
        else                   { obey() }
    }
}

sub announce {
    my ( $event, %facts ) = @_;
    print $json->encode( { event => $event, %facts } ), "\n";
}

sub obey {
    my $line = <STDIN>;
    exit 0 unless defined $line;
    my $order = $json->decode($line);
    if ( $order->{do} eq 'send' ) {
        for my $number ( $order->{first} .. $order->{first} + $order->{count} - 1 ) {
            $link->submit_sm(
                source_addr_ton     => 5,
                source_addr         => 'GdeMoi',
                dest_addr_ton       => 1,
                dest_addr_npi       => 1,
                destination_addr    => sprintf( '7916%07d', $number ),
                registered_delivery => 1,
                short_message       => "w$number",
                async               => 1,
            );
        }
    }
    announce( 'done', order => $order->{order} );
}

sub hear {
    my $pdu = $link->read_pdu;
    exit 1 unless $pdu;
    if ( $pdu->cmd == Net::SMPP::CMD_deliver_sm ) {
        # Net::SMPP keeps the NUL that ends the value
        my $receipted = $pdu->{receipted_message_id} // '';
        $receipted =~ s/\0$//;
        $link->deliver_sm_resp( message_id => '', seq => $pdu->seq );
        announce(
            $pdu->{esm_class} & 4 ? 'receipt' : 'inbound',
            id   => $receipted,
            text => $pdu->{short_message}
        );
    }
    elsif ( $pdu->cmd == Net::SMPP::CMD_submit_sm_resp ) {
        announce(
            'answer',
            status => $pdu->status + 0,
            id     => $pdu->{message_id}
        );
    }
    elsif ( $pdu->cmd == Net::SMPP::CMD_enquire_link ) {
        $link->enquire_link_resp( seq => $pdu->seq );
    }
}
