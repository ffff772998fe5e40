# util/includes knows the direction between rooms, and what comes along.

use strict;
use warnings;

use FindBin ();
use lib $FindBin::Bin;
use Check;
use Test::More;

my $p = 'ngx_http_k8s_metrics_';

# a small house; "room/name" => names that it includes
my %house = (
    'base/a.h'           => [],
    'store/store.h'      => ['a.h'],
    'answer/answer.h'    => ['a.h'],
    'fetch/fetch.h'      => ['a.h'],
    'kube/kube_client.h' => ['fetch.h'],
    'kube/kube.h'        => ['store.h', 'kube_client.h'],
    'auth/identity.h'    => ['a.h'],
    'auth/auth.h'        => ['store.h', 'kube_client.h', 'identity.h'],
    'auth/auth_internal.h' => ['auth.h', 'answer.h'],
    'scrape/scrape.h'    => ['store.h', 'kube_client.h'],
    'api/api.h'          => ['store.h'],
    'api/api.c'          => ['api.h', 'answer.h', 'identity.h'],
    'auth/auth.c'        => ['auth_internal.h'],
);


sub house {
    my %files = (%house, @_);

    return map {
        my ($room, $name) = m{(.*)/(.*)};
        my @names = @{ $files{$_} };
        ("src/$room/$p$name" => join("\n", '#include <ngx_config.h>',
            (map { /</ ? "#include $_" : "#include \"$p$_\"" } @names), ''));
    } keys %files;
}


sub bad {
    my ($rule, $room_name, $include, $what) = @_;
    my ($room, $name) = $room_name =~ m{(.*)/(.*)};

    fires('includes', $rule, "src/$room/$p$name:2", $what,
          house($room_name => [$include]));
}

quiet('includes', 'the house as it is meant', house());
quiet('includes', 'the root file may include all',
      house(), "${p}module.c" => join('', map { "#include \"$p$_.h\"\n" }
                                      qw(a store fetch kube auth api)));

quiet('includes', 'also by way of a header of its own', house(),
      "${p}module.h" => "#include \"${p}a.h\"\n",
      "${p}worker.c" => "#include \"${p}module.h\"\n");
fires('includes', 'room', "src/api/${p}x.c:2", 'which no room has',
      house('api/x.c' => ['root.h']), "${p}root.h" => '');

bad('room', 'base/x.c', 'store.h', 'base includes nothing of ours');
bad('room', 'store/x.c', 'fetch.h', 'store does not fetch');
bad('room', 'answer/x.c', 'store.h', 'an answer does not know the store');
bad('room', 'fetch/x.c', 'store.h', 'fetch does not know the store');
bad('room', 'kube/x.c', 'scrape.h', 'kube does not scrape');
bad('room', 'scrape/x.c', 'kube.h', 'of kube/, the client only');
bad('room', 'auth/x.c', 'kube.h', 'of kube/, the client only');
bad('room', 'auth/x.c', 'api.h', 'auth does not know the API');
bad('room', 'api/x.c', 'auth.h', 'of auth/, the identity only');
bad('room', 'api/x.c', 'fetch.h', 'the API does not fetch');

bad('internal', 'kube/x.c', 'auth_internal.h', "another room's own header");
bad('unknown', 'auth/x.c', 'nosuch.h', 'a header that is not there');
bad('pure', 'base/x.c', '<ngx_http.h>', 'base knows no request');
bad('pure', 'base/x.c', '<ngx_event.h>', 'base knows no event');
quiet('includes', 'others know requests', house('api/x.c' => ['<ngx_http.h>']));
quiet('includes', 'an include in a comment', house(),
      "src/base/${p}y.c" => "/*\n#include \"${p}store.h\"\n*/\n");

# what libc offers is decided by the first of its headers: ngx_config.h asks
# for all of it
for my $first ('<yaml.h>', '<ngx_core.h>') {
    fires('includes', 'config-first', "src/kube/${p}x.c:1",
          "$first before ngx_config.h", house(),
          "src/kube/${p}x.c" => "#include $first\n"
                                . "#include \"${p}kube.h\"\n");
}

fires('includes', 'config-first', "src/base/${p}b.h:1", 'in a header', house(),
      "src/base/${p}b.h" => "#include <stdlib.h>\n",
      "src/base/${p}x.c" => "#include \"${p}b.h\"\n#include <math.h>\n");
quiet('includes', 'a library behind a header of ours', house(),
      "src/kube/${p}x.c" => "#include \"${p}kube.h\"\n#include <yaml.h>\n");

fires('includes', 'unknown', "src/new/${p}x.c:1", 'a room that has no row',
      house('new/x.c' => []));
fires('includes', 'unknown', "src/api/${p}x.c:1", 'a name with a folder',
      house(), "src/api/${p}x.c" => "#include \"../store/${p}store.h\"\n");

# the one header that api may have of auth must not bring fetch along
fires('includes', 'through', "src/api/${p}api.c:4",
      'a forbidden header through an allowed one',
      house('auth/identity.h' => ['fetch.h']));

fires('includes', 'cycle', "src/store/${p}y.h:2", 'a circle within a room',
      house('store/x.h' => ['y.h'], 'store/y.h' => ['x.h']));

done_testing();
