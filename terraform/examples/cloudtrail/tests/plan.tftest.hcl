# terraform test -var-file=terraform.tfvars.example, with a provider that only pretends.

mock_provider "aws" {
  source = "../../tests/mocks"
}

run "a_service_that_sends_to_the_channel" {
  command = plan

  assert {
    condition     = strcontains(output.verify_query, "<event_data_store_id>")
    error_message = "the values of terraform.tfvars.example make a plan, and what is asked later is CloudTrail Lake"
  }
}
