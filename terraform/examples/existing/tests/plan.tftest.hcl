# terraform test -var-file=terraform.tfvars.example, with a provider that only pretends.

mock_provider "aws" {
  source = "../../tests/mocks"
}

run "in_a_cluster_that_is_there" {
  command = plan

  assert {
    condition     = startswith(output.verify_query, "filter eventSource")
    error_message = "the values of terraform.tfvars.example make a plan"
  }
}
