# terraform test -var-file=terraform.tfvars.example, with a provider that only pretends.

mock_provider "aws" {
  source = "../../tests/mocks"
}

run "a_schedule_that_sends_to_the_log_group" {
  command = plan

  assert {
    condition     = startswith(output.verify_query, "filter eventSource")
    error_message = "the values of terraform.tfvars.example make a plan, and what is asked later is CloudWatch Logs"
  }
}
