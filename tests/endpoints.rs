//! The endpoints of CloudTrail Data, CloudWatch Logs and STS are those of AWS's SDK, in each partition and variant.
#![allow(clippy::unwrap_used)]

use aws_sdk_cloudtraildata::config::endpoint::{
    DefaultResolver as CloudTrailResolver, Params as CloudTrailParams, ResolveEndpoint as _,
};
use aws_sdk_cloudwatchlogs::config::endpoint::{
    DefaultResolver as CloudWatchResolver, Params as CloudWatchParams, ResolveEndpoint as _,
};
use aws_sdk_sts::config::endpoint::{
    DefaultResolver as StsResolver, Params as StsParams, ResolveEndpoint as _,
};
use kong_cloudtrail::aws::{Variant, sts};
use kong_cloudtrail::destination::cloudtrail::Channel;
use kong_cloudtrail::destination::cloudwatch::LogStream;

const REGIONS: [(&str, &str); 40] = [
    ("aws", "af-south-1"),
    ("aws", "ap-east-1"),
    ("aws", "ap-east-2"),
    ("aws", "ap-northeast-1"),
    ("aws", "ap-northeast-2"),
    ("aws", "ap-northeast-3"),
    ("aws", "ap-south-1"),
    ("aws", "ap-south-2"),
    ("aws", "ap-southeast-1"),
    ("aws", "ap-southeast-2"),
    ("aws", "ap-southeast-3"),
    ("aws", "ap-southeast-4"),
    ("aws", "ca-central-1"),
    ("aws", "ca-west-1"),
    ("aws", "eu-central-1"),
    ("aws", "eu-central-2"),
    ("aws", "eu-north-1"),
    ("aws", "eu-south-1"),
    ("aws", "eu-south-2"),
    ("aws", "eu-west-1"),
    ("aws", "eu-west-2"),
    ("aws", "eu-west-3"),
    ("aws", "il-central-1"),
    ("aws", "me-central-1"),
    ("aws", "me-south-1"),
    ("aws", "sa-east-1"),
    ("aws", "us-east-1"),
    ("aws", "us-east-2"),
    ("aws", "us-west-1"),
    ("aws", "us-west-2"),
    ("aws-cn", "cn-north-1"),
    ("aws-cn", "cn-northwest-1"),
    ("aws-eusc", "eusc-de-east-1"),
    ("aws-iso", "us-iso-east-1"),
    ("aws-iso", "us-iso-west-1"),
    ("aws-iso-b", "us-isob-east-1"),
    ("aws-iso-e", "eu-isoe-west-1"),
    ("aws-iso-f", "us-isof-south-1"),
    ("aws-us-gov", "us-gov-east-1"),
    ("aws-us-gov", "us-gov-west-1"),
];

#[tokio::test]
async fn endpoints_are_those_of_the_sdk_in_each_partition_region_and_variant() {
    let (cloudtrail, cloudwatch) = (CloudTrailResolver::new(), CloudWatchResolver::new());
    let tokens = StsResolver::new();
    for (partition, region) in REGIONS {
        let arn = format!("arn:{partition}:cloudtrail:{region}:123456789012:channel/a");
        let channel = Channel::parse(&arn).unwrap();
        let arn = format!("arn:{partition}:logs:{region}:123456789012:log-group:a:*");
        let stream = LogStream::parse(&arn, "b").unwrap();
        for (fips, dual_stack) in [(false, false), (false, true), (true, false), (true, true)] {
            let variant = Variant { fips, dual_stack };
            let params = CloudTrailParams::builder()
                .region(region)
                .use_fips(fips)
                .use_dual_stack(dual_stack)
                .build()
                .unwrap();
            let sdk = cloudtrail.resolve_endpoint(&params).await.unwrap();
            assert_eq!(channel.endpoint(variant), sdk.url());

            let params = CloudWatchParams::builder()
                .region(region)
                .use_fips(fips)
                .use_dual_stack(dual_stack)
                .build()
                .unwrap();
            let sdk = cloudwatch.resolve_endpoint(&params).await.unwrap();
            assert_eq!(stream.endpoint(variant), sdk.url());

            let params = StsParams::builder()
                .region(region)
                .use_fips(fips)
                .use_dual_stack(dual_stack)
                .use_global_endpoint(false)
                .build()
                .unwrap();
            let sdk = tokens.resolve_endpoint(&params).await.unwrap();
            assert_eq!(sts(&channel.place, variant), sdk.url());
        }
    }
}
