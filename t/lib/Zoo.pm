package Zoo;

# K8sMetrics whose servers believe the authorities of a zoo of certificates
# (t/standin/zoo.go), in the folder "zoo", instead of the stand-in's.

use strict;
use warnings;

use JSON::PP ();

use K8sMetrics ();

our @ISA = qw(K8sMetrics);


sub start_standin {
    my ($self) = @_;

    $self->zoo;
    $self->SUPER::start_standin;
}

sub believe {
    my ($self) = @_;

    my $d = "$self->{dir}/zoo";

    return <<"END";
    k8s_metrics_requestheader_client_ca $d/front.pem;
    k8s_metrics_requestheader_allowed_names front-proxy-client;
    k8s_metrics_client_ca $d/client.pem;
END
}

# "standin zoo" with these flags; its JSON, where it prints some
sub zoo {
    my ($self, @flags) = @_;

    my $bin = $K8sMetrics::module =~ s{[^/]*$}{standin}r;

    open(my $fh, '-|', $bin, 'zoo', -dir => "$self->{dir}/zoo", @flags)
        or die "$bin: $!";
    local $/;
    my $out = <$fh> // '';
    close $fh or die "standin zoo @flags failed";

    return length $out ? JSON::PP->new->utf8->decode($out) : undef;
}

# what Go's crypto/x509 says of each
sub verdicts {
    my ($self) = @_;

    return JSON::PP->new->utf8->decode(
        K8sMetrics::slurp("$self->{dir}/zoo/verdicts.json"));
}

# alerts of the log, without nginx's own word for what OpenSSL cannot read
sub alerts {
    my ($self) = @_;

    return grep { !/\[crit\] .*SSL_do_handshake\(\) failed/ }
        $self->SUPER::alerts;
}


1;
