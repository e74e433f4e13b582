# SPDX-License-Identifier: GPL-3.0-or-later
"""A document such as ``lshw -xml`` prints, small, with a node of most kinds: on it definitions of tags are tried."""

SAMPLE = b"""<?xml version="1.0" standalone="yes" ?>
<list>
<node id="sample" claimed="true" class="system" handle="DMI:0100">
 <description>Rack Mount Chassis</description>
 <product>R1 (SKU=0001)</product>
 <vendor>Example Inc.</vendor>
 <serial>ABC1234</serial>
 <width units="bits">64</width>
 <capabilities><capability id="smbios-3.2" >SMBIOS version 3.2</capability></capabilities>
 <node id="core" claimed="true" class="bus" handle="DMI:0200">
  <node id="firmware" claimed="true" class="memory" handle=""><vendor>Example Inc.</vendor><version>1.0</version></node>
  <node id="cpu" claimed="true" class="processor" handle="DMI:0400">
   <product>Sample CPU</product><size units="Hz">2000000000</size>
   <configuration><setting id="cores" value="16" /><setting id="threads" value="32" /></configuration>
   <capabilities><capability id="vmx" >CPU virtualization (Vanderpool)</capability></capabilities>
  </node>
  <node id="memory" claimed="true" class="memory" handle="DMI:1000">
   <size units="bytes">68719476736</size>
   <node id="bank:0" claimed="true" class="memory" handle="DMI:1100"><size units="bytes">34359738368</size></node>
   <node id="bank:1" claimed="true" class="memory" handle="DMI:1101"><size units="bytes">34359738368</size></node>
  </node>
  <node id="pci:0" claimed="true" class="bridge" handle="PCIBUS:0000:00">
   <node id="display" claimed="true" class="display" handle="PCI:0000:03:00.0"><vendor>Example Inc.</vendor></node>
   <node id="network:0" claimed="true" class="network" handle="PCI:0000:04:00.0">
    <logicalname>eno1</logicalname><serial>52:54:00:00:00:01</serial><size units="bit/s">10000000000</size>
    <configuration><setting id="driver" value="sample" /><setting id="link" value="yes" /></configuration>
   </node>
   <node id="network:1" class="network" handle="PCI:0000:04:00.1"><serial>52:54:00:00:00:02</serial></node>
   <node id="storage" claimed="true" class="storage" handle="PCI:0000:05:00.0">
    <node id="disk:0" class="disk" handle="SCSI:00:00:00:00"><size units="bytes">960197124096</size></node>
    <node id="disk:1" class="disk" handle="SCSI:00:00:01:00"><size units="bytes">960197124096</size></node>
    <node id="nvme0n1" claimed="true" class="disk" handle="GUID:0"><size units="bytes">1600321314816</size></node>
   </node>
   <node id="usb" claimed="true" class="bus" handle="PCI:0000:06:00.0"><node id="usbhost" class="bus" /></node>
  </node>
 </node>
 <node id="power" class="power"><product>PWR</product></node>
</node>
</list>
"""
