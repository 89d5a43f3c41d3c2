package access

import (
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks of those whose X-Forwarded-For is believed.
type Proxies []netip.Prefix

// Client returns the address that a request comes from. Each proxy adds the address that it saw at the end of X-Forwarded-For, so
// this is the last one there that is no proxy of ours; what stands before it can be made up. It is not valid where there is none.
func (p Proxies) Client(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	client := peer.Addr().Unmap()
	if !p.include(client) {
		return client
	}
	seen := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(seen) - 1; i >= 0 && p.include(client); i-- {
		addr, err := netip.ParseAddr(strings.TrimSpace(seen[i]))
		if err != nil {
			break
		}
		client = addr.Unmap().WithZone("")
	}
	return client
}

func (p Proxies) include(addr netip.Addr) bool {
	for _, network := range p {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// bucketOf is the name of an address in the limits. Who has one IPv6 address has those of a whole network.
func bucketOf(addr netip.Addr) string {
	if addr.Is6() {
		network, _ := addr.Prefix(64) // 64 fits
		return network.String()
	}
	return addr.String()
}
