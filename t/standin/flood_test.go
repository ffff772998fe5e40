package main

import "testing"

// What undoes the hash's mixing undoes it, and its values are known ones.
func TestMurmur(t *testing.T) {
	for _, k := range []uint32{0, 1, 0x41414141, 0xfffffffe} {
		if murmurUnmix(murmurMix(k)) != k {
			t.Errorf("%x does not come back", k)
		}
	}
	for s, want := range map[string]uint32{"": 0, "abcd": 0x26873021, "the quick brown fox": 0xb3528f7c} {
		if got := murmur(s); got != want {
			t.Errorf("%q: %#x, not %#x", s, got, want)
		}
	}
}
