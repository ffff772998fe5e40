#!/usr/bin/perl

# Who we are to the API server and to kubelets, and by which CA we know them,
# in files that are replaced under a running worker: new connections have the
# new ones, none that is idle outlives them, what is broken changes nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use POSIX ();
use Test::More;

use K8sMetrics qw(wait_for);

{
    package Files;
    our @ISA = qw(K8sMetrics);

    sub cluster {
        my ($self) = @_;
        my $d = $self->{dir};
        my $text = $self->SUPER::cluster;

        $text =~ s{kubeconfig=\S+;}{$self->{source};} or die;
        $text =~ s{\S+/kubelet-ca.crt}{$d/kubelet-ca.crt} or die;

        return $text . ($self->{more} // '');
    }
}

my $look = 20;      # s: a look comes every 5

my $t = Files->new(standin => [ qw(-nodes 2 -pods 1 -kubelet-client-cert
    -kubelet-auth=false) ]);
my $dir = $t->{dir};

$t->start_standin;

sub slurp { return K8sMetrics::slurp("$dir/$_[0]") }

sub put {
    my ($name, $text) = @_;
    K8sMetrics::put("$dir/$name", $text);
}

# a folder for each version, and a symlink that is swapped
my $versions = 0;

sub user {
    my ($crt, $key) = @_;

    my $version = 'v' . ++$versions;

    mkdir "$dir/user";
    mkdir "$dir/user/$version";
    put("user/$version/tls.crt", slurp("standin/$crt.crt"));
    put("user/$version/tls.key", slurp("standin/" . ($key // $crt) . '.key'));
    symlink $version, "$dir/user/new" or die "symlink: $!";
    rename "$dir/user/new", "$dir/user/data" or die "rename: $!";
}

my $ca = slurp('standin/ca.crt');
my $kubelet_ca = slurp('standin/kubelet-ca.crt');

user('alice');
put('ca.crt', $ca);
put('kubelet-ca.crt', $kubelet_ca);
put('kubeconfig', <<"END");
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: 'https://$t->{api}',
            certificate-authority: ca.crt}}]
users: [{name: u, user: {client-certificate: user/data/tls.crt,
         client-key: user/data/tls.key}}]
END

$t->{source} = "kubeconfig=$dir/kubeconfig";
# reviews, and so requests, each second
$t->{server} = 'k8s_metrics_authorization_cache_ttl 1s;';
$t->start_nginx;

# an access review: a request to the API server; as whom it was asked
sub reviewed {
    my $status = $t->ask('/apis/metrics.k8s.io/v1beta1/pods',
                         cert => 'alice')->{status};
    my ($last) = grep { $_->{uri} =~ /subjectaccessreviews/ }
        reverse @{ $t->control('/requests') // [] };

    return ($status, $last->{client} // '');
}

# how many began
sub reviews {
    return scalar(my @r = grep { $_->{uri} =~ /subjectaccessreviews/ }
                          @{ $t->control('/requests') });
}

sub becomes {
    my ($want) = @_;
    return wait_for($look, sub { join(' ', reviewed()) eq $want });
}

sub stats { return $t->control('/stats') }
sub clients { return stats()->{clients}{$_[0]} // 0 }
sub told { return scalar(my @lines = $t->log($_[0])) }

ok(becomes('403 alice'), 'asked as alice') or diag(join ' ', reviewed());
ok(wait_for($look, sub { clients('alice') == 2 }), 'kubelets, too');


# --- another user ---------------------------------------------------------------

# a review that begins before the change and ends after it
$t->control('/api', { slowMillis => 7000 });
$t->control('/api', { fault => 'slow', for => 'sar', count => 1 });

my $reviews = reviews();
my $slow = fork() // die "fork: $!";

if ($slow == 0) {
    my $r = $t->ask('/apis/metrics.k8s.io/v1beta1/namespaces/slow/pods',
                    cert => 'alice');
    POSIX::_exit($r->{status} == 403 ? 0 : 1);
}

ok(wait_for(5, sub { reviews() == $reviews + 1 }), 'a review is under way');

user('admin');
ok(becomes('403 admin'), 'asked as admin') or diag($t->log);
waitpid($slow, 0);
is($?, 0, 'what was under way as alice is answered');
is(join(' ', reviewed()), '403 admin', 'and its connection is not kept');
ok(wait_for($look, sub { clients('admin') == 2 }),
   'no kept connection is used again') or diag(explain(stats()));
is(stats()->{connections}, 2, 'nor kept') or diag(explain(stats()));
is(clients('alice'), 2, 'and no TLS session of alice resumed');

# the API server's, and those for kubelets
my $changed = '\[notice\].*client-certificate "\S+" has changed: the new one';
is(told(qr/$changed/), 2, 'which is told');


# --- what cannot be used ----------------------------------------------------------

my $scrapes = stats()->{scrapes};

user('alice', 'admin');
put('kubelet-ca.crt', substr($kubelet_ca, 0, 200));

my $key = '\[error\].*client-\w+ "\S+" has changed and cannot be used';
my $bundle = '\[error\].*certificate_authority "\S+" has changed and cann';

ok(wait_for($look, sub { reviewed();
                         return told(qr/$key/) == 2 && told(qr/$bundle/); }),
   'a wrong key and half a CA are told') or diag($t->log);
is(told(qr/client key does not belong to the certificate/), 1, 'why');
is(told(qr/CA bundle holds/), 1, 'why');
is(join(' ', reviewed()), '403 admin', 'the ones before are in force');
ok(wait_for($look, sub { stats()->{scrapes} >= $scrapes + 2 }),
   'for kubelets, too');
is(clients('alice'), 2, 'not as alice');
is(told(qr/$key/), 2, 'told once');


# --- CAs of others: those who were known are so no more -----------------------------

user('admin');
put('ca.crt', $kubelet_ca);
put('kubelet-ca.crt', $ca);

my $verify = 'certificate is not trusted';

ok(wait_for($look, sub { $t->control('/cut', {});
                         return told(qr/API server .* failed: $verify/); }),
   'the API server is not believed') or diag($t->log);
ok(wait_for($look, sub { told(qr/node-00000.*$verify/)
                         && told(qr/node-00001.*$verify/) }),
   'kubelets are not, kept connections or not') or diag($t->log);

put('ca.crt', $ca);
put('kubelet-ca.crt', $kubelet_ca);
ok(becomes('403 admin'), 'the API server is believed again');

is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');
is(told(qr/PRIVATE KEY/), 0, 'no key in the log');


# --- as in a Pod; and what a worker cannot read ---------------------------------------

SKIP: {
    skip 'needs root, for workers of another user', 5 if $> != 0;

    unlink "$dir/error.log";
    @ENV{qw(KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT)}
        = $t->{api} =~ /(.*):(\d+)/;
    $t->{source} = "in_cluster=$dir/standin/sa";
    $t->{main} = "user nobody nogroup;\n";
    $t->{workers} = 2;
    $t->{more} = <<"END";
    k8s_metrics_kubelet_client_certificate $dir/user/data/tls.crt;
    k8s_metrics_kubelet_client_key $dir/user/data/tls.key;
END
    chmod 0600, "$dir/user/data/tls.key";
    $t->start_nginx;
    ok($t->synced, 'in a Pod');

    my $line = qr/\[warn\].*client_key "\S+" cannot be read by a worker pro/;
    ok(wait_for($look, sub { told($line) }), 'what cannot be read is told');
    is(told(qr/cannot be read by a worker/), 1, 'once, and of it alone');

    put('standin/sa/ca.crt', $ca . $kubelet_ca);
    ok(wait_for($look, sub {
        reviewed();
        return told(qr/CA bundle "\S+" has changed: the new one is in force/);
    }), 'another CA of the service account') or diag($t->log);

    is($t->stop, 0, 'ends');
}

done_testing();
