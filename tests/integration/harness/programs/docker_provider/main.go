// Package main serves the Docker provider of Terraform as Pulumi's package "docker" does: with its look-up of an image.
// The official plugin is this provider behind this bridge; where it cannot be downloaded, both are built of their modules.
package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

func main() {
	info := tfbridge.ProviderInfo{
		P:    shim.NewProvider(provider.New("dev")()),
		Name: "docker",
		Config: map[string]*tfbridge.SchemaInfo{ // as in provider/resources.go of pulumi/pulumi-docker
			"host":          {Default: &tfbridge.DefaultInfo{Value: "unix:///var/run/docker.sock", EnvVars: []string{"DOCKER_HOST"}}},
			"registry_auth": {Name: "registryAuth", MaxItemsOne: tfbridge.False()},
		},
		DataSources: map[string]*tfbridge.DataSourceInfo{
			"docker_registry_image": {Tok: "docker:index/getRegistryImage:getRegistryImage"},
		},
	}
	tfbridge.Main("docker", "5.2.0", info, []byte("{}"))
}
