package Raw;

# Bytes as they are given, over TLS: HTTP/1.1, and as much of HTTP/2 as it
# takes to send what other clients refuse to.  Connections are kept.

use strict;
use warnings;

use IO::Socket::SSL;

use Exporter qw(import);
our @EXPORT_OK = qw(h1 h2);


# cert: files' name without .crt and .key; sni; version (SSL_version)

# a context is dear to make
my %context;

sub connection {
    my ($to, %o) = @_;

    my @o = (SSL_verify_mode => SSL_VERIFY_NONE,
        $o{version} ? (SSL_version => $o{version}) : (),
        $o{alpn} ? (SSL_alpn_protocols => [ $o{alpn} ]) : (),
        $o{cert} ? (SSL_use_cert => 1, SSL_cert_file => "$o{cert}.crt",
                    SSL_key_file => "$o{cert}.key") : ());

    my $context = $context{join "\0", map { ref ? @$_ : $_ } @o}
        //= IO::Socket::SSL::SSL_Context->new(@o);

    return IO::Socket::SSL->new(PeerAddr => $to, Timeout => 15,
        SSL_reuse_ctx => $context, $o{sni} ? (SSL_hostname => $o{sni}) : ())
        || die "$to: $SSL_ERROR";
}

sub h1 {
    my ($to, %o) = @_;
    return bless { c => connection($to, %o) }, 'Raw::H1';
}

sub h2 {
    my ($to, %o) = @_;

    my $self = bless { c => connection($to, %o, alpn => 'h2'), sid => -1,
                       in => '' }, 'Raw::H2';

    die 'no HTTP/2' if ($self->{c}->alpn_selected // '') ne 'h2';

    $self->{c}->print("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        . Raw::H2::frame(4, 0, 0, '')
        . Raw::H2::frame(8, 0, 0, pack 'N', 1 << 30));

    return $self;
}

# reads until the sub has what it wants of "in"; 0 at the end, or after 20 s

sub more {
    my ($self, $enough) = @_;

    my $end = time + 20;

    until ($enough->()) {
        my $left = $end - time;
        return 0 if $left <= 0;

        if (!$self->{c}->pending) {
            vec(my $set = '', fileno $self->{c}, 1) = 1;
            return 0 if !select($set, undef, undef, $left);
        }

        my $n = sysread $self->{c}, $self->{in}, 65536, length $self->{in};
        return 0 if !$n && !$!{EAGAIN} && !$!{EWOULDBLOCK};
    }

    return 1;
}


package Raw::H1;

# the answer to these bytes: status and body; status 0 without one

sub ask {
    my ($self, $bytes) = @_;

    $self->{in} = '';
    $self->{c}->print($bytes);

    Raw::more($self, sub { $self->{in} =~ /\r\n\r\n/ })
        or return { status => 0, body => $self->{in} };

    my ($head, $len) = ($self->{in} =~ s/^(.*?\r\n)\r\n//s, undef);
    my $text = $1;
    my ($status) = $text =~ m{^HTTP/1\.[01] (\d+)};

    if ($text =~ /^content-length: (\d+)/mi) {
        $len = $1;
        Raw::more($self, sub { length $self->{in} >= $len });

    } elsif ($text =~ /^transfer-encoding: chunked/mi) {
        Raw::more($self, sub { $self->{in} =~ /(?:^|\r\n)0\r\n\r\n\z/ });

    } else {
        Raw::more($self, sub { 0 });
    }

    return { status => $status // 0, head => $text, body => $self->{in} };
}

# a request of lines
sub get {
    my ($self, $path, @lines) = @_;

    return $self->ask(join "\r\n", "GET $path HTTP/1.1", 'Host: x', @lines,
                      '', '');
}


package Raw::H2;

sub frame {
    my ($type, $flags, $sid, $data) = @_;
    return substr(pack('N', length $data), 1) . pack('CCN', $type, $flags, $sid)
        . $data;
}

sub int7 {
    my ($n) = @_;
    return chr $n if $n < 127;
    my $out = chr 127;
    for ($n -= 127; $n > 127; $n >>= 7) { $out .= chr(128 | $n & 127) }
    return $out . chr $n;
}

# names and values, literally and never indexed
sub fields {
    my (@fields) = @_;
    my $out = '';
    while (my ($name, $value) = splice @fields, 0, 2) {
        $out .= "\x10" . int7(length $name) . $name . int7(length $value)
            . $value;
    }
    return $out;
}

# a stream with these fields behind the pseudo-headers; "method", "path",
# "pseudo" (all of them), "trailers" (fields after a body of one byte)

sub ask {
    my ($self, $fields, %o) = @_;

    my $sid = $self->{sid} += 2;
    my $pseudo = $o{pseudo} // [ ':method' => $o{method} // 'GET',
        ':scheme' => 'https', ':authority' => 'x', ':path' => $o{path} // '/' ];
    my $block = fields(@$pseudo, @$fields);

    my $out = frame(1, $o{trailers} ? 4 : 5, $sid, $block);

    $out .= frame(0, 0, $sid, 'x') . frame(1, 5, $sid, fields(@{ $o{trailers} }))
        if $o{trailers};
    $self->{c}->print($out);

    my $r = { status => 0, body => '' };

    while (Raw::more($self, sub {
        length $self->{in} >= 9
            && length $self->{in} >= 9 + unpack('N', "\0$self->{in}")
    })) {
        my $len = unpack 'N', "\0$self->{in}";
        my ($type, $flags, $id) = unpack 'x3CCN', $self->{in};
        my $data = substr $self->{in}, 9, $len;
        substr($self->{in}, 0, 9 + $len) = '';

        if ($type == 4 && !($flags & 1)) {
            $self->{c}->print(frame(4, 1, 0, ''));

        } elsif ($type == 7) {
            $r->{goaway} = unpack 'x4N', $data;
            last;

        } elsif ($id == $sid && $type == 3) {
            $r->{reset} = unpack 'N', $data;
            last;

        } elsif ($id == $sid && $type == 1) {
            $r->{status} = status($data);

        } elsif ($id == $sid && $type == 0) {
            $r->{body} .= $data;
        }

        last if $id == $sid && $type <= 1 && $flags & 1;
    }

    return $r;
}

# a stream that is not waited for; its number
sub begin {
    my ($self, $fields, %o) = @_;

    my $sid = $self->{sid} += 2;
    $self->{c}->print(frame(1, 5, $sid, fields(':method' => 'GET',
        ':scheme' => 'https', ':authority' => 'x', ':path' => $o{path},
        @$fields)));

    return $sid;
}

# takes it back: CANCEL
sub cancel {
    my ($self, $sid) = @_;
    $self->{c}->print(frame(3, 0, $sid, pack 'N', 8));
}

# :status is the first field that nginx sends, after the table's size
sub status {
    my ($data) = @_;

    $data =~ s/^[\x20-\x3f]+//;

    my %index = (0x88 => 200, 0x89 => 204, 0x8a => 206, 0x8b => 304,
                 0x8c => 400, 0x8d => 404, 0x8e => 500);

    return $index{ord $data} // ($data =~ /^[\x08\x48]\x03(\d{3})/ ? $1 : 0);
}


1;
