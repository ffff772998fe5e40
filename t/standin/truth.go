package main

import "math/bits"

// The truth: rates are constant, and follow from the numbers in the names as
// in the project's recordings of metrics-server (README.md).

// podCPU is a container's CPU in nanocores.
func podCPU(node, pod, container int) uint64 {
	return uint64(1+7*node+3*pod+container) * 1000000
}

// podMemory is a container's working set in bytes.
func podMemory(node, pod, container int) uint64 {
	return uint64(8+node+5*pod+container) << 20
}

// usage is a constant rate from a time on, with the one before it: a sample
// may be older than the change.
type usage struct {
	cpu, cpuWas       uint64 // nanocores
	memory, memoryWas uint64
	base              uint64 // ns of CPU at the time since
	since             int64  // ns
}

// product is the ns of CPU that a rate uses in d ns.
func product(nanocores uint64, d int64) uint64 {
	if d <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(nanocores, uint64(d))
	if hi >= 1000000000 {
		return 1<<64 - 1
	}
	q, _ := bits.Div64(hi, lo, 1000000000)
	return q
}

// at is the counter (ns) and the memory at a time.
func (u *usage) at(t int64) (cpu, memory uint64) {
	if t >= u.since {
		return u.base + product(u.cpu, t-u.since), u.memory
	}
	back := product(u.cpuWas, u.since-t)
	if back > u.base {
		back = u.base
	}
	return u.base - back, u.memoryWas
}

// change is the usage with other rates from a time on; the counter goes on.
func (u usage) change(t int64, cpu, memory uint64) usage {
	base, _ := u.at(t)
	return usage{cpu, u.cpu, memory, u.memory, base, t}
}
