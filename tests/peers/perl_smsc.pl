#!/usr/bin/perl
# A small SMSC for tests, upon Net::SMPP (Debian libnet-smpp-perl): a second
# opinion on what we write, by a codec that is not ours.
#
# As tests/peers/node_smsc.js it obeys JSON lines on stdin and tells JSON lines on
# stdout: listening, connected, closed, pdu, sent, done.  One loop, any number of
# sessions, loopback only; it ends when stdin does.
#
# What Net::SMPP does that an SMSC should not: answers with an error still have a
# body.  Nothing of ours may mind.
use strict;
use warnings;
use IO::Select;
use JSON::PP;
use Net::SMPP;

my $json = JSON::PP->new->canonical->latin1;
my %session_of;    # file number => { link, number, bound }
my $last_session = 0;
my $last_id      = 1000;
my @plans;         # how the next submit_sm are answered: { status, silent }
$| = 1;
local $SIG{__WARN__} = sub { };

my $listening = Net::SMPP->new_listen(
    '127.0.0.1',
    port         => 0,
    smpp_version => 0x34,
    timeout      => 0,
) or die "cannot listen: $!\n";
my $watched = IO::Select->new( $listening, \*STDIN );
my $orders  = '';
announce( 'listening', port => $listening->sockport );

while (1) {
    for my $ready ( $watched->can_read ) {
        if    ( $ready == $listening ) { greet() }
        elsif ( $ready == \*STDIN )    { obey() }
        else                           { hear( $session_of{ fileno $ready } ) }
    }
}

sub announce {
    my ( $event, %facts ) = @_;
    print $json->encode( { event => $event, %facts } ), "\n";
}

# -- what comes

sub greet {
    my $link = $listening->accept or return;
    my $session = { link => $link, number => ++$last_session, bound => '' };
    $session_of{ fileno $link } = $session;
    $watched->add($link);
    announce( 'connected', session => $session->{number} );
}

sub part {
    my ($session) = @_;
    my $link = $session->{link};
    $watched->remove($link);
    delete $session_of{ fileno $link };
    close $link;
    announce( 'closed', session => $session->{number} );
}

sub hear {
    my ($session) = @_;
    return unless $session;
    my $pdu = $session->{link}->read_pdu;
    return part($session) unless $pdu;
    my $command = $pdu->explain_cmd;
    announce(
        'pdu',
        session  => $session->{number},
        command  => $command,
        status   => $pdu->{status},
        sequence => $pdu->{seq},
        body     => unpack( 'H*', $pdu->{data} ),
        read     => readable($pdu),
    );
    return if $command =~ /_resp$/ || $command eq 'generic_nack';
    respond( $session, $pdu, $command );
}

# the fields by name; what may hold octets in hexadecimal
sub readable {
    my ($pdu) = @_;
    my %octets = map { $_ => 1 } qw(short_message message_payload
        sar_msg_ref_num sar_total_segments sar_segment_seqnum);
    my %read;
    for my $name ( grep { /^[a-z]\w+$/ } keys %$pdu ) {
        next if $name =~ /^(?:cmd|seq|status|data|known_pdu|reserved)$/;
        my $value = $pdu->{$name};
        next if !defined $value || ref $value;
        $read{$name} = $octets{$name} ? unpack( 'H*', $value ) : $value;
    }
    return \%read;
}

sub respond {
    my ( $session, $pdu, $command ) = @_;
    my ( $link, $seq ) = ( $session->{link}, $pdu->{seq} );
    if ( $command =~ /^bind_(receiver|transmitter|transceiver)$/ ) {
        my $kind = $1;
        my $status =
              $pdu->{system_id} ne 'esme'  ? 0x0F
            : $pdu->{password} ne 'secret' ? 0x0E
            :                                0;
        my $answer = "${command}_resp";
        $link->$answer(
            seq                  => $seq,
            status               => $status,
            system_id            => 'PERL',
            sc_interface_version => chr 0x34,
        );
        $session->{bound} = $kind unless $status;
    }
    elsif ( $command eq 'submit_sm' ) {
        my $how = shift @plans || {};
        return if $how->{silent};
        my $status = $how->{status} || 0;
        my $id = $status ? '' : sprintf '%08X', ++$last_id;
        $link->submit_sm_resp( seq => $seq, status => $status, message_id => $id );
    }
    elsif ( $command eq 'query_sm' ) {
        $link->query_sm_resp(
            seq           => $seq,
            message_id    => $pdu->{message_id},
            final_date    => '',
            message_state => 2,
            error_code    => 0,
        );
    }
    elsif ( $command eq 'enquire_link' ) { $link->enquire_link_resp( seq => $seq ) }
    elsif ( $command eq 'unbind' )       { $link->unbind_resp( seq => $seq ) }
    else { $link->generic_nack( seq => $seq, status => 3 ) }
}

# -- what is ordered

sub obey {
    sysread( STDIN, $orders, 65536, length $orders ) or exit 0;
    while ( $orders =~ s/^(.*)\n// ) {
        my $order = $json->decode($1);
        carry_out( $order, $order->{do} );
        announce( 'done', order => $order->{order} );
    }
}

sub carry_out {
    my ( $order, $do ) = @_;
    return if $do eq 'nothing';
    if ( $do eq 'plan' ) { push @plans, $order->{how}; return }
    my ($session) = grep {
        $do ne 'deliver' || $_->{bound} =~ /receiver|transceiver/
    } sort { $b->{number} <=> $a->{number} } values %session_of;
    my $link = $session->{link};
    return part($session) if $do eq 'end';
    my ( $seq, $command );
    if ( $do eq 'deliver' ) {
        $command = 'deliver_sm';
        my %fields = %{ $order->{fields} };
        $fields{short_message} = pack 'H*', $order->{hex};
        $seq = $link->deliver_sm( async => 1, %fields );
    }
    else {
        $command = $order->{command};
        $seq = $link->$command( async => 1 );
    }
    announce( 'sent', session => $session->{number}, command => $command, sequence => $seq );
}
