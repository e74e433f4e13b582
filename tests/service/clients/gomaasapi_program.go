// SPDX-License-Identifier: GPL-3.0-or-later

// What Juju's provider does with gomaasapi, as Debian packages it. Arguments: URL and API key. It prints what it has
// seen as JSON. The library is strict: one field that is missing or of a wrong type fails the whole list.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/juju/gomaasapi"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func each[T, V any](values []T, show func(T) V) []V {
	shown := make([]V, 0, len(values))
	for _, value := range values {
		shown = append(shown, show(value))
	}
	return shown
}

func main() {
	url, key := os.Args[1], os.Args[2]
	maas := must(gomaasapi.NewController(gomaasapi.ControllerArgs{BaseURL: url, APIKey: key}))
	_, refused := gomaasapi.NewController(gomaasapi.ControllerArgs{BaseURL: url, APIKey: "a:b:c"})
	seen := map[string]any{
		"wrong key":    gomaasapi.IsPermissionError(refused),
		"capabilities": maas.Capabilities().SortedValues(),
		"images":       each(must(maas.BootResources()), func(r gomaasapi.BootResource) []string { return []string{r.Name(), r.Architecture()} }),
		"fabrics": each(must(maas.Fabrics()), func(f gomaasapi.Fabric) []any {
			return []any{f.Name(), each(f.VLANs(), func(v gomaasapi.VLAN) int { return v.VID() })}
		}),
		"spaces": each(must(maas.Spaces()), func(s gomaasapi.Space) []any {
			return []any{s.Name(), each(s.Subnets(), func(n gomaasapi.Subnet) []string { return []string{n.CIDR(), n.Gateway(), n.VLAN().Fabric()} })}
		}),
		"routes": each(must(maas.StaticRoutes()), func(r gomaasapi.StaticRoute) []any {
			return []any{r.Source().CIDR(), r.Destination().CIDR(), r.GatewayIP(), r.Metric()}
		}),
		"zones":   each(must(maas.Zones()), func(z gomaasapi.Zone) []string { return []string{z.Name(), z.Description()} }),
		"domains": each(must(maas.Domains()), func(d gomaasapi.Domain) string { return d.Name() }),
		"tags":    each(must(maas.Tags()), func(t gomaasapi.Tag) []string { return []string{t.Name(), t.Comment(), t.KernelOpts()} }),
	}
	// The library asks for pools/, which MAAS has never had: its callers go on without.
	_, none := maas.Pools()
	seen["pools"] = none != nil

	names := func(args gomaasapi.MachinesArgs) []string {
		return each(must(maas.Machines(args)), gomaasapi.Machine.Hostname)
	}
	seen["machines"] = names(gomaasapi.MachinesArgs{})
	seen["by hostname"] = names(gomaasapi.MachinesArgs{Hostnames: []string{"m2"}})
	seen["by zone"] = names(gomaasapi.MachinesArgs{Zone: "east"})
	seen["by pool"] = names(gomaasapi.MachinesArgs{Pool: "web"})
	seen["by tag"] = names(gomaasapi.MachinesArgs{Tags: []string{"gpu"}})

	machine := must(maas.Machines(gomaasapi.MachinesArgs{Hostnames: []string{"m00001"}}))[0]
	seen["machine"] = []any{
		machine.FQDN(), machine.StatusName(), machine.PowerState(), machine.Architecture(), machine.Zone().Name(),
		machine.Pool().Name(), machine.Tags(),
	}
	seen["interfaces"] = each(machine.InterfaceSet(), func(i gomaasapi.Interface) string { return i.MACAddress() })
	seen["by mac"] = names(gomaasapi.MachinesArgs{MACAddresses: []string{machine.InterfaceSet()[0].MACAddress()}})
	seen["by id"] = names(gomaasapi.MachinesArgs{SystemIDs: []string{machine.SystemID()}})
	seen["disks"] = each(machine.PhysicalBlockDevices(), func(d gomaasapi.BlockDevice) bool { return d.Size() > 0 })

	must(0, machine.SetOwnerData(map[string]string{"juju-model-uuid": "of-a-model"}))
	seen["owner data"] = machine.OwnerData()
	seen["by owner data"] = names(gomaasapi.MachinesArgs{OwnerData: map[string]string{"juju-model-uuid": "of-a-model"}})

	must(0, json.NewEncoder(os.Stdout).Encode(seen))
}
