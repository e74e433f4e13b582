// SPDX-License-Identifier: GPL-3.0-or-later

// What Juju's provider does with gomaasapi, as Debian packages it. Arguments: URL and API key. It prints what each of
// its checks has seen, as JSON. The library is strict: one field that is missing or of a wrong type fails the whole list.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/juju/gomaasapi"
)

var seen = map[string]any{}

// A check that fails leaves its reason, and the others go on.
func check(name string, do func() any) {
	defer func() {
		if reason := recover(); reason != nil {
			seen[name] = fmt.Sprint("failed: ", reason)
		}
	}()
	seen[name] = do()
}

func done(err error) bool {
	if err != nil {
		panic(err)
	}
	return true
}

func must[T any](value T, err error) T {
	done(err)
	return value
}

func each[T, V any](values []T, show func(T) V) []V {
	shown := make([]V, 0, len(values))
	for _, value := range values {
		shown = append(shown, show(value))
	}
	return shown
}

// Of what this region does not do yet.
func later(err error) bool {
	return err != nil && strings.Contains(err.Error(), "not supported by this region yet")
}

func lists(maas gomaasapi.Controller) {
	check("capabilities", func() any { return maas.Capabilities().SortedValues() })
	check("images", func() any {
		return each(must(maas.BootResources()), func(r gomaasapi.BootResource) []string { return []string{r.Name(), r.Architecture()} })
	})
	check("fabrics", func() any {
		return each(must(maas.Fabrics()), func(f gomaasapi.Fabric) []any {
			return []any{f.Name(), f.ClassType(), each(f.VLANs(), func(v gomaasapi.VLAN) int { return v.VID() })}
		})
	})
	check("spaces", func() any {
		return each(must(maas.Spaces()), func(s gomaasapi.Space) []any {
			return []any{s.Name(), each(s.Subnets(), func(n gomaasapi.Subnet) []string { return []string{n.CIDR(), n.Gateway(), n.VLAN().Fabric()} })}
		})
	})
	check("routes", func() any {
		return each(must(maas.StaticRoutes()), func(r gomaasapi.StaticRoute) []any {
			return []any{r.Source().CIDR(), r.Destination().CIDR(), r.GatewayIP(), r.Metric()}
		})
	})
	check("zones", func() any {
		return each(must(maas.Zones()), func(z gomaasapi.Zone) []string { return []string{z.Name(), z.Description()} })
	})
	check("domains", func() any { return each(must(maas.Domains()), func(d gomaasapi.Domain) string { return d.Name() }) })
	check("tags", func() any {
		return each(must(maas.Tags()), func(t gomaasapi.Tag) []string { return []string{t.Name(), t.Comment(), t.KernelOpts()} })
	})
	// The library asks for pools/, which MAAS has never had: its callers go on without.
	check("pools", func() any { _, none := maas.Pools(); return none != nil })
}

func machines(maas gomaasapi.Controller) gomaasapi.Machine {
	by := func(name string, args func() gomaasapi.MachinesArgs) {
		check(name, func() any { return each(must(maas.Machines(args())), gomaasapi.Machine.Hostname) })
	}
	var machine gomaasapi.Machine
	check("machine", func() any {
		machine = must(maas.Machines(gomaasapi.MachinesArgs{Hostnames: []string{"m00001"}}))[0]
		return []any{
			machine.FQDN(), machine.StatusName(), machine.PowerState(), machine.Architecture(), machine.Zone().Name(),
			machine.Pool().Name(), machine.Tags(),
		}
	})
	by("machines", func() gomaasapi.MachinesArgs { return gomaasapi.MachinesArgs{} })
	by("by hostname", func() gomaasapi.MachinesArgs { return gomaasapi.MachinesArgs{Hostnames: []string{"m2"}} })
	by("by zone", func() gomaasapi.MachinesArgs { return gomaasapi.MachinesArgs{Zone: "east"} })
	by("by pool", func() gomaasapi.MachinesArgs { return gomaasapi.MachinesArgs{Pool: "web"} })
	by("by domain", func() gomaasapi.MachinesArgs { return gomaasapi.MachinesArgs{Domain: "lab.example.org"} })
	by("by tag", func() gomaasapi.MachinesArgs { return gomaasapi.MachinesArgs{Tags: []string{"gpu"}} })
	by("by mac", func() gomaasapi.MachinesArgs {
		return gomaasapi.MachinesArgs{MACAddresses: []string{machine.InterfaceSet()[0].MACAddress()}}
	})
	by("by id", func() gomaasapi.MachinesArgs { return gomaasapi.MachinesArgs{SystemIDs: []string{machine.SystemID()}} })
	check("interfaces", func() any {
		return each(machine.InterfaceSet(), func(i gomaasapi.Interface) string { return i.MACAddress() })
	})
	check("disks", func() any {
		return each(machine.PhysicalBlockDevices(), func(d gomaasapi.BlockDevice) bool { return d.Size() > 0 })
	})
	check("owner data", func() any {
		done(machine.SetOwnerData(map[string]string{"juju-model-uuid": "of-a-model"}))
		return machine.OwnerData()
	})
	by("by owner data", func() gomaasapi.MachinesArgs {
		return gomaasapi.MachinesArgs{OwnerData: map[string]string{"juju-model-uuid": "of-a-model"}}
	})
	return machine
}

// What Juju gives its containers: devices with addresses, which go with their machine.
func devices(maas gomaasapi.Controller, machine gomaasapi.Machine) {
	const mac, second = "52:54:00:30:00:01", "52:54:00:30:00:02"
	var device gomaasapi.Device
	var nic gomaasapi.Interface
	subnet := func() gomaasapi.Subnet { return must(maas.Spaces())[0].Subnets()[0] }
	check("device made", func() any {
		device = must(maas.CreateDevice(gomaasapi.CreateDeviceArgs{
			Hostname: "lxd-0", MACAddresses: []string{mac}, Domain: "lab.example.org", Parent: machine.SystemID(),
		}))
		return []any{device.FQDN(), device.Parent() == machine.SystemID(), device.Zone().Name(), len(device.InterfaceSet())}
	})
	check("device's new NIC", func() any {
		nic = must(device.CreateInterface(gomaasapi.CreateInterfaceArgs{Name: "eth1", MACAddress: second, VLAN: subnet().VLAN()}))
		return []any{nic.Name(), nic.MACAddress(), nic.VLAN().Fabric(), nic.EffectiveMTU()}
	})
	check("NIC linked", func() any {
		done(nic.LinkSubnet(gomaasapi.LinkSubnetArgs{Mode: gomaasapi.LinkModeStatic, Subnet: subnet(), IPAddress: "10.20.0.70"}))
		return []any{nic.Links()[0].Mode(), nic.Links()[0].IPAddress(), nic.Links()[0].Subnet().CIDR()}
	})
	check("NIC unlinked", func() any { done(nic.UnlinkSubnet(subnet())); return len(nic.Links()) })
	check("NIC changed", func() any { done(nic.Update(gomaasapi.UpdateInterfaceArgs{Name: "eth2"})); return nic.Name() })
	check("NIC gone", func() any { return done(nic.Delete()) })
	check("devices of a machine", func() any {
		return each(must(machine.Devices(gomaasapi.DevicesArgs{})), gomaasapi.Device.Hostname)
	})
	check("devices by hostname and MAC", func() any {
		args := gomaasapi.DevicesArgs{Hostname: []string{"lxd-0"}, MACAddresses: []string{mac}, Domain: "lab.example.org", Zone: "default"}
		return each(must(maas.Devices(args)), func(d gomaasapi.Device) int { return len(d.InterfaceSet()) })
	})
	check("device gone", func() any { return done(device.Delete()) && len(must(maas.Devices(gomaasapi.DevicesArgs{}))) == 0 })
}

func files(maas gomaasapi.Controller) {
	check("file added", func() any {
		return done(maas.AddFile(gomaasapi.AddFileArgs{Filename: "provider-state", Content: []byte{0, 255, 10}}))
	})
	check("files by prefix", func() any {
		return each(must(maas.Files("provider-")), gomaasapi.File.Filename)
	})
	check("file read", func() any { return must(must(maas.GetFile("provider-state")).ReadAll()) })
	check("file gone", func() any { return done(must(maas.GetFile("provider-state")).Delete()) })
	check("no such file", func() any { _, err := maas.GetFile("provider-state"); return gomaasapi.IsNoMatchError(err) })
}

func deployment(maas gomaasapi.Controller, machine gomaasapi.Machine) {
	check("later: allocate", func() any { _, _, err := maas.AllocateMachine(gomaasapi.AllocateMachineArgs{}); return later(err) })
	check("later: deploy", func() any { return later(machine.Start(gomaasapi.StartArgs{})) })
	check("later: release", func() any {
		return later(maas.ReleaseMachines(gomaasapi.ReleaseMachinesArgs{SystemIDs: []string{machine.SystemID()}}))
	})
	check("later: by agent_name", func() any {
		_, err := maas.Machines(gomaasapi.MachinesArgs{AgentName: "of-a-model"})
		return err != nil && strings.Contains(err.Error(), "does not support 'agent_name' yet")
	})
}

func main() {
	url, key := os.Args[1], os.Args[2]
	maas := must(gomaasapi.NewController(gomaasapi.ControllerArgs{BaseURL: url, APIKey: key}))
	check("wrong key", func() any {
		_, refused := gomaasapi.NewController(gomaasapi.ControllerArgs{BaseURL: url, APIKey: "a:b:c"})
		return gomaasapi.IsPermissionError(refused)
	})
	lists(maas)
	machine := machines(maas)
	devices(maas, machine)
	files(maas)
	deployment(maas, machine)
	done(json.NewEncoder(os.Stdout).Encode(seen))
}
